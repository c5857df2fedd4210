import { readAtOnce } from '../database/read-at-once.ts';
import type { RequestRow } from '../database/tables.ts';
import type { BuildFailure } from '../gentoo/build-failure.ts';
import type { BuildProgress } from '../gentoo/build-phase.ts';
import type { PlanProblem } from '../gentoo/plan-problem.ts';
import { problemsIn } from './accept-plan.ts';
import { attemptsOf, toAttempt } from './attempt-store.ts';
import type { Attempt } from './builds.ts';
import type { BuildsContext } from './builds-context.ts';
import { failureOf } from './history.ts';
import { lastEnds } from './history-store.ts';
import { builtAs, joinedAmong } from './join-store.ts';
import { explainJob, explainJobs, type LiveView, readJobRows } from './read-builds.ts';
import { progressOf, runningAttempts, timelineFacts } from './read-timeline.ts';
import type { BuildRequest, ExplainedJob } from './request.ts';
import { packagesOfRequest } from './request-packages.ts';
import { findRequestRow, toRequest } from './request-store.ts';
import { makeTimeline, type Timeline, type TimelineFacts } from './timeline.ts';

/** What logs and history tell of jobs. */
export interface JobsLook {
  /** Why the last attempt that failed at each of them has failed, where its log says so; by job. */
  readonly failures: ReadonlyMap<string, BuildFailure & { readonly attempt: number }>;
  /** How far those are that run; by job. */
  readonly progress: ReadonlyMap<string, BuildProgress>;
  /** Of their request; undefined when that is over. */
  readonly timeline: Timeline | undefined;
}

/** A request and all that belongs to it, as they were at one moment. */
export interface RequestLook extends JobsLook {
  readonly request: BuildRequest;
  readonly jobs: readonly ExplainedJob[];
  /** In the order of their CPVs. */
  readonly packages: readonly {
    readonly id: string;
    readonly cpv: string;
    readonly buildId: number;
    readonly how: 'built' | 'reused';
    readonly leftOut: string | null;
  }[];
  /** Why Portage could make no plan of it, once it has failed of that; else empty. */
  readonly problems: readonly PlanProblem[];
}

/** A job and its attempts, as they were at one moment. */
export interface JobLook extends JobsLook {
  readonly job: ExplainedJob;
  /** The first one first. */
  readonly attempts: readonly Attempt[];
}

type Looking = Pick<BuildsContext, 'database' | 'clock' | 'findings' | 'seen'>;

/** Undefined when there is no such request. Logs are read afterwards. */
export async function lookAtRequest(
  context: Looking,
  live: LiveView,
  id: string,
): Promise<RequestLook | undefined> {
  const seen = await readAtOnce(context.database, async (queries) => {
    const then = { ...context, database: queries };
    const row = await findRequestRow(queries, id);
    if (row === undefined) {
      return undefined;
    }
    const rows = await readJobRows(queries, id);
    const jobs = await explainJobs(then, live, row, rows);
    return {
      request: toRequest(row),
      jobs,
      packages: await packagesOfRequest(queries, id),
      problems: problemsIn(row),
      facts: {
        failures: await failuresOf(then, triedAmong(jobs)),
        timeline: isOver(row) ? undefined : await timelineFacts(then, live, row, rows),
      },
    };
  });
  if (seen === undefined) {
    return undefined;
  }
  const { facts, ...rest } = seen;
  return { ...rest, ...(await finishLook(context, rest.jobs, facts)) };
}

/** Undefined when there is no such job. Logs are read afterwards. */
export async function lookAtJob(
  context: Looking,
  live: LiveView,
  id: string,
): Promise<JobLook | undefined> {
  const seen = await readAtOnce(context.database, async (queries) => {
    const then = { ...context, database: queries };
    const found = await explainJob(then, live, id);
    if (found === undefined) {
      return undefined;
    }
    const { job, request } = found;
    const attempts = await attemptsOf(queries, await builtAs(queries, id));
    return {
      job,
      attempts: attempts.map(toAttempt),
      facts: {
        failures: await failuresOf(then, triedAmong([job])),
        timeline: isOver(request)
          ? undefined
          : await timelineFacts(then, live, request, await readJobRows(queries, request.id)),
      },
    };
  });
  if (seen === undefined) {
    return undefined;
  }
  const { facts, ...rest } = seen;
  return { ...rest, ...(await finishLook(context, [rest.job], facts)) };
}

interface JobsFacts {
  readonly failures: JobsLook['failures'];
  readonly timeline: Omit<TimelineFacts, 'progress'> | undefined;
}

function triedAmong(jobs: readonly ExplainedJob[]): string[] {
  return jobs.filter(({ attempt }) => attempt > 0).map(({ id }) => id);
}

function isOver(request: RequestRow): boolean {
  return request.finished_at !== null;
}

async function finishLook(
  context: Pick<BuildsContext, 'findings'>,
  jobs: readonly ExplainedJob[],
  { failures, timeline }: JobsFacts,
): Promise<JobsLook> {
  const progress = await progressOf(context, runningAttempts(timeline?.jobs ?? jobs));
  return { failures, progress, timeline: timeline && makeTimeline({ ...timeline, progress }) };
}

/** Why the last attempt that failed at each of these jobs has failed, where its log says so. */
export async function failuresOf(
  { database }: Pick<BuildsContext, 'database'>,
  jobIds: readonly string[],
): Promise<JobsLook['failures']> {
  const joined = await joinedAmong(database, jobIds);
  const builderOf = (id: string): string => joined.get(id) ?? id;
  const ends = await lastEnds(database, jobIds.map(builderOf));
  const found = new Map(ends.map((row) => [row.job_id, row] as const));
  return new Map(
    jobIds.flatMap((id) => {
      const row = found.get(builderOf(id));
      const failure = row === undefined ? null : failureOf(row);
      return failure === null ? [] : [[id, { ...failure, attempt: row?.attempt ?? 0 }]];
    }),
  );
}
