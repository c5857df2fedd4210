import type { Queries } from '../database/database.ts';
import { readAtOnce } from '../database/read-at-once.ts';
import type { JobRow, RequestRow } from '../database/tables.ts';
import { agentRows, toAgent } from './agent-store.ts';
import { findAttempt } from './attempt-store.ts';
import type { AgentRecord, Builds, RequestPackage } from './builds.ts';
import type { BuildsContext } from './builds-context.ts';
import { JobExplainer } from './explain-jobs.ts';
import {
  findJobRow,
  jobRowsOf,
  leasedJobsByAgent,
  needsOfJob,
  needsOfRequest,
  toJob,
  toState,
} from './job-store.ts';
import { builtAs } from './join-store.ts';
import { sentenceOf } from './reason-sentence.ts';
import { type ExplainedJob, FINAL_JOB_STATES } from './request.ts';
import { packagesOfRequest } from './request-packages.ts';
import { findRequestRow } from './request-store.ts';

type Reading = Pick<BuildsContext, 'database' | 'clock' | 'seen'>;

/** What the answers take from the running service. */
export interface LiveView {
  /** Agents that wait for a job at this moment: they are seen, whatever the database says. */
  readonly waiting: () => ReadonlySet<string>;
}

export async function listAgents(context: Reading, live: LiveView): Promise<AgentRecord[]> {
  const held = await leasedJobsByAgent(context.database);
  const waiting = live.waiting();
  return (await agentRows(context.database)).map((row) => {
    const agent = toAgent(context.seen.current(row), held.get(row.name) ?? []);
    return waiting.has(row.name) ? { ...agent, lastSeenAt: context.clock.now() } : agent;
  });
}

/** The jobs of a request in their order, and each pair of one and another that it needs. */
export interface JobRows {
  readonly rows: readonly JobRow[];
  readonly needs: readonly { readonly job_id: string; readonly needs_job_id: string }[];
}

export async function readJobRows(queries: Queries, requestId: string): Promise<JobRows> {
  return {
    rows: await jobRowsOf(queries, requestId),
    needs: await needsOfRequest(queries, requestId),
  };
}

export async function jobsOf(
  context: BuildsContext,
  live: LiveView,
  requestId: string,
): Promise<ExplainedJob[]> {
  return await readAtOnce(context.database, async (queries) => {
    const request = await findRequestRow(queries, requestId);
    const jobs = await readJobRows(queries, requestId);
    return request === undefined
      ? []
      : await explainJobs({ ...context, database: queries }, live, request, jobs);
  });
}

/** To be called where all is read at once, as the next. */
export async function explainJobs(
  context: Reading,
  live: LiveView,
  request: RequestRow,
  { rows, needs }: JobRows,
): Promise<ExplainedJob[]> {
  const rowOf = new Map(rows.map((row) => [row.id, row]));
  const needsOf = new Map<string, JobRow[]>();
  for (const { job_id, needs_job_id } of needs) {
    const needed = rowOf.get(needs_job_id);
    if (needed !== undefined) {
      const list = needsOf.get(job_id) ?? [];
      list.push(needed);
      needsOf.set(job_id, list);
    }
  }
  for (const list of needsOf.values()) {
    list.sort((one, other) => one.position - other.position);
  }
  const of = { request, needsOf: async ({ id }: JobRow) => needsOf.get(id) ?? [] };
  const explainer = await JobExplainer.open(context, of, await listAgents(context, live));
  const jobs: ExplainedJob[] = [];
  for (const row of rows) {
    jobs.push(await explained(explainer, row, needsOf.get(row.id) ?? []));
  }
  return jobs;
}

export async function findJob(
  context: BuildsContext,
  live: LiveView,
  id: string,
): Promise<ExplainedJob | undefined> {
  const found = await readAtOnce(
    context.database,
    async (queries) => await explainJob({ ...context, database: queries }, live, id),
  );
  return found?.job;
}

/** One job, with the request that it belongs to. */
export async function explainJob(
  context: Reading,
  live: LiveView,
  id: string,
): Promise<{ readonly job: ExplainedJob; readonly request: RequestRow } | undefined> {
  const { database } = context;
  const row = await findJobRow(database, id);
  const request = row && (await findRequestRow(database, row.request_id));
  if (row === undefined || request === undefined) {
    return undefined;
  }
  const explainer = await JobExplainer.open(context, { request }, await listAgents(context, live));
  return { job: await explained(explainer, row, await needsOfJob(database, id)), request };
}

/** `reason` is a sentence only where something is to be said: not of what is being built, or was. */
async function explained(
  explainer: JobExplainer,
  row: JobRow,
  needs: readonly JobRow[],
): Promise<ExplainedJob> {
  const why = await explainer.explain(row);
  const isTold = row.state === 'waiting' || row.state === 'ready' || why.code === 'stopping';
  const job = toJob(
    row,
    needs.map(({ id }) => id),
    isTold ? sentenceOf(why) : row.reason,
  );
  const leader = row.state === 'waiting' ? explainer.leaderOf(row) : undefined;
  const shared = leader && {
    attempt: leader.attempt,
    agent: leader.agent,
    startedAt: leader.started_at,
  };
  return { ...job, ...shared, why };
}

export async function packagesOf(
  context: BuildsContext,
  requestId: string,
): Promise<RequestPackage[]> {
  const found: RequestPackage[] = [];
  for (const { id, how, leftOut } of await packagesOfRequest(context.database, requestId)) {
    const record = await context.repository.findPackage(id);
    if (record !== undefined) {
      found.push({ package: record, how, leftOut });
    }
  }
  return found;
}

/**
 * Part of the log of an attempt. It is complete when the attempt has ended and these bytes reach its end; the log of
 * a job that never began is when the job has ended. A job that has joined one of another request has its log.
 */
export async function readLog(
  context: BuildsContext,
  id: string,
  options: { readonly attempt?: number; readonly offset: number; readonly maxBytes: number },
): ReturnType<Builds['readLog']> {
  const jobId = await builtAs(context.database, id);
  context.logs.share(id, jobId);
  const job = await findJobRow(context.database, jobId);
  const attempt = options.attempt ?? job?.attempt ?? 0;
  if (job === undefined) {
    return { bytes: Buffer.alloc(0), attempt, isComplete: true, size: 0 };
  }
  const history = await findAttempt(context.database, jobId, attempt);
  const hasEnded =
    history === undefined
      ? FINAL_JOB_STATES.includes(toState(job.state))
      : history.finished_at !== null;
  if (history === undefined) {
    return { bytes: Buffer.alloc(0), attempt, isComplete: hasEnded, size: 0 };
  }
  const { bytes, isEnd, size } = await context.logs.read({ jobId, attempt }, options);
  return { bytes, attempt, isComplete: hasEnded && isEnd, size };
}
