import type { JobRow } from '../database/tables.ts';
import type { PackageRecord } from '../repository/package-record.ts';
import { agentRows, toAgent } from './agent-store.ts';
import { findAttempt } from './attempt-store.ts';
import type { AgentRecord, Builds } from './builds.ts';
import type { BuildsContext } from './builds-context.ts';
import {
  findJobRow,
  jobRowsOf,
  leasedJobsByAgent,
  needsOfJob,
  needsOfRequest,
  toJob,
  toState,
} from './job-store.ts';
import { FINAL_JOB_STATES, type Job } from './request.ts';
import { findRequestRow, packagesOfRequest } from './request-store.ts';
import { type NeededJob, whyReady, whyWaiting } from './waiting-reason.ts';

/** What the answers take from the running service. */
export interface LiveView {
  /** Agents that wait for a job at this moment: they are seen, whatever the database says. */
  readonly waiting: () => ReadonlySet<string>;
}

export async function listAgents(context: BuildsContext, live: LiveView): Promise<AgentRecord[]> {
  const held = await leasedJobsByAgent(context.database);
  const waiting = live.waiting();
  return (await agentRows(context.database)).map((row) => {
    const agent = toAgent(row, held.get(row.name) ?? []);
    return waiting.has(row.name) ? { ...agent, lastSeenAt: context.clock.now() } : agent;
  });
}

export async function jobsOf(
  context: BuildsContext,
  live: LiveView,
  requestId: string,
): Promise<Job[]> {
  const rows = await jobRowsOf(context.database, requestId);
  const rowOf = new Map(rows.map((row) => [row.id, row]));
  const needsOf = new Map<string, JobRow[]>();
  for (const { job_id, needs_job_id } of await needsOfRequest(context.database, requestId)) {
    const needed = rowOf.get(needs_job_id);
    if (needed !== undefined) {
      const list = needsOf.get(job_id) ?? [];
      list.push(needed);
      needsOf.set(job_id, list);
    }
  }
  const explain = await explainer(context, live, rows, requestId);
  return rows.map((row) => {
    const needs = (needsOf.get(row.id) ?? []).toSorted(
      (one, other) => one.position - other.position,
    );
    return toJob(
      row,
      needs.map(({ id }) => id),
      explain(row, needs),
    );
  });
}

export async function findJob(
  context: BuildsContext,
  live: LiveView,
  id: string,
): Promise<Job | undefined> {
  const row = await findJobRow(context.database, id);
  if (row === undefined) {
    return undefined;
  }
  const needs = await needsOfJob(context.database, id);
  const explain = await explainer(context, live, [row], row.request_id);
  return toJob(
    row,
    needs.map((needed) => needed.id),
    explain(row, needs),
  );
}

/** Why each job stands where it stands, as a sentence. */
async function explainer(
  context: BuildsContext,
  live: LiveView,
  rows: readonly JobRow[],
  requestId: string,
): Promise<(row: JobRow, needs: readonly JobRow[]) => string | null> {
  const agents = rows.some(({ state }) => state === 'ready') ? await listAgents(context, live) : [];
  const request = rows.some(({ state }) => state === 'leased')
    ? await findRequestRow(context.database, requestId)
    : undefined;
  const cancelledBy = request?.cancelled_by ?? null;
  const now = context.clock.now();
  return (row, needs) => {
    const job = toJob(row, []);
    if (job.state === 'waiting') {
      return whyWaiting(needs.map(toNeeded));
    }
    if (job.state === 'ready') {
      return whyReady(job.executor, agents, now);
    }
    return job.state === 'leased' && cancelledBy !== null
      ? `is told to stop; cancelled by ${cancelledBy}`
      : row.reason;
  };
}

function toNeeded(row: JobRow): NeededJob {
  return { name: row.name, state: toState(row.state), agent: row.agent };
}

export async function packagesOf(
  context: BuildsContext,
  requestId: string,
): Promise<{ readonly package: PackageRecord; readonly how: 'built' | 'reused' }[]> {
  const found: { readonly package: PackageRecord; readonly how: 'built' | 'reused' }[] = [];
  for (const { id, how } of await packagesOfRequest(context.database, requestId)) {
    const record = await context.repository.findPackage(id);
    if (record !== undefined) {
      found.push({ package: record, how });
    }
  }
  return found;
}

/**
 * Part of the log of an attempt. It is complete when the attempt has ended and these bytes reach its end; the log of
 * a job that never began is when the job has ended.
 */
export async function readLog(
  context: BuildsContext,
  jobId: string,
  options: { readonly attempt?: number; readonly offset: number; readonly maxBytes: number },
): ReturnType<Builds['readLog']> {
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
