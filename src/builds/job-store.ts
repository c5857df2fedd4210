import type { Queries } from '../database/database.ts';
import type { JobRow } from '../database/tables.ts';
import { executorSchema } from '../gentoo/profile.ts';
import { isTelling } from './build-time.ts';
import type { LeaseKey } from './builds.ts';
import { JOB_STATES, type Job, type JobCounts, type JobState } from './request.ts';
import type { RunningJob } from './waiting-reason.ts';

/** Rows of one statement: SQLite takes 32,766 variables. */
const ROWS_AT_ONCE = 1000;

export async function insertJobs(
  queries: Queries,
  jobs: readonly JobRow[],
  needs: readonly { readonly job_id: string; readonly needs_job_id: string }[],
): Promise<void> {
  for (const rows of inPieces(jobs)) {
    await queries.insertInto('jobs').values(rows).execute();
  }
  for (const rows of inPieces(needs)) {
    await queries.insertInto('job_needs').values(rows).execute();
  }
}

function* inPieces<T>(rows: readonly T[]): Generator<T[]> {
  for (let start = 0; start < rows.length; start += ROWS_AT_ONCE) {
    yield rows.slice(start, start + ROWS_AT_ONCE);
  }
}

/** The ready jobs that have failed or were lost before, each with an agent that this happened to. */
export async function troubledJobs(
  queries: Queries,
): Promise<{ id: string; lane: string | null; agent: string }[]> {
  return await queries
    .selectFrom('jobs')
    .innerJoin('attempts', 'attempts.job_id', 'jobs.id')
    .select(['jobs.id', 'jobs.lane', 'attempts.agent'])
    .distinct()
    .where('jobs.not_before', 'is not', null)
    .where('jobs.state', '=', 'ready')
    .where('attempts.fault', 'is not', null)
    .execute();
}

/** Whether a back-off has ended in this time, `until` included. */
export async function hasComeDue(
  queries: Queries,
  { after, until }: { readonly after: number; readonly until: number },
): Promise<boolean> {
  const row = await queries
    .selectFrom('jobs')
    .select('id')
    .where('not_before', '>', after)
    .where('not_before', '<=', until)
    .where('state', '=', 'ready')
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Takes the job that stood ready after `attempt`; undefined when somebody else was faster. */
export async function claimJob(
  queries: Queries,
  job: { readonly id: string; readonly attempt: number },
  lease: { readonly agent: string; readonly now: number; readonly expiresAt: number },
): Promise<JobRow | undefined> {
  return await queries
    .updateTable('jobs')
    .set((eb) => ({
      state: 'leased',
      reason: null,
      attempt: job.attempt + 1,
      agent: lease.agent,
      lease_expires_at: lease.expiresAt,
      not_before: null,
      started_at: eb.fn.coalesce('started_at', eb.val(lease.now)),
    }))
    .where('id', '=', job.id)
    .where('state', '=', 'ready')
    .where('attempt', '=', job.attempt)
    .returningAll()
    .executeTakeFirst();
}

/** The job, if this attempt of this agent still holds it. */
export async function findLeasedJob(queries: Queries, key: LeaseKey): Promise<JobRow | undefined> {
  return await queries
    .selectFrom('jobs')
    .selectAll()
    .where('id', '=', key.jobId)
    .where('state', '=', 'leased')
    .where('attempt', '=', key.attempt)
    .where('agent', '=', key.agent)
    .executeTakeFirst();
}

/** False when this attempt holds the job no more. */
export async function updateLeasedJob(
  queries: Queries,
  key: LeaseKey,
  change: Partial<Pick<JobRow, 'lease_expires_at' | 'package_id'>>,
): Promise<boolean> {
  const { numUpdatedRows } = await queries
    .updateTable('jobs')
    .set(change)
    .where('id', '=', key.jobId)
    .where('state', '=', 'leased')
    .where('attempt', '=', key.attempt)
    .where('agent', '=', key.agent)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Ends the lease; undefined when this attempt does not hold the job. */
export async function endLease(
  queries: Queries,
  key: LeaseKey,
  end: {
    readonly state: JobState;
    readonly reason: string | null;
    readonly finishedAt: number | null;
    readonly notBefore?: number | null;
  },
): Promise<JobRow | undefined> {
  return await queries
    .updateTable('jobs')
    .set({
      state: end.state,
      reason: end.reason,
      not_before: end.notBefore ?? null,
      lease_expires_at: null,
      finished_at: end.finishedAt,
      ...(end.state === 'succeeded' ? {} : { package_id: null }),
    })
    .where('id', '=', key.jobId)
    .where('state', '=', 'leased')
    .where('attempt', '=', key.attempt)
    .where('agent', '=', key.agent)
    .returningAll()
    .executeTakeFirst();
}

/** Makes those waiting jobs ready whose last need this was. */
export async function readyDependants(queries: Queries, jobId: string): Promise<JobRow[]> {
  const rows = await queries
    .updateTable('jobs')
    .set({ state: 'ready' })
    .where('state', '=', 'waiting')
    .where('id', 'in', (eb) =>
      eb.selectFrom('job_needs').select('job_id').where('needs_job_id', '=', jobId),
    )
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('job_needs')
            .innerJoin('jobs as needed', 'needed.id', 'job_needs.needs_job_id')
            .select('job_needs.needs_job_id')
            .whereRef('job_needs.job_id', '=', 'jobs.id')
            .where('needed.state', '!=', 'succeeded'),
        ),
      ),
    )
    .returningAll()
    .execute();
  return rows.toSorted((one, other) => one.position - other.position);
}

/**
 * Skips every job that waits for this one, at any depth. What is skipped waits no more, so each is met once,
 * however many ways lead to it.
 */
export async function skipDependants(
  queries: Queries,
  jobId: string,
  end: { readonly reason: string; readonly now: number },
): Promise<JobRow[]> {
  const skipped: JobRow[] = [];
  let frontier = [jobId];
  while (frontier.length > 0) {
    const next = frontier.splice(0, ROWS_AT_ONCE);
    const rows = await queries
      .updateTable('jobs')
      .set({ state: 'skipped', reason: end.reason, finished_at: end.now })
      .where('state', '=', 'waiting')
      .where('id', 'in', (eb) =>
        eb.selectFrom('job_needs').select('job_id').where('needs_job_id', 'in', next),
      )
      .returningAll()
      .execute();
    skipped.push(...rows);
    frontier = [...frontier, ...rows.map(({ id }) => id)];
  }
  return skipped.toSorted((one, other) => one.position - other.position);
}

/** Cancels the jobs of a request that nobody has begun, but for those that jobs of other requests have joined. */
export async function cancelUnstartedJobs(
  queries: Queries,
  requestId: string,
  end: { readonly reason: string; readonly now: number },
): Promise<JobRow[]> {
  const rows = await queries
    .updateTable('jobs')
    .set({ state: 'cancelled', reason: end.reason, finished_at: end.now })
    .where('request_id', '=', requestId)
    .where('state', 'in', ['waiting', 'ready'])
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('jobs as follower')
            .select('follower.id')
            .whereRef('follower.joined_job_id', '=', 'jobs.id')
            .where('follower.state', '=', 'waiting'),
        ),
      ),
    )
    .returningAll()
    .execute();
  return rows.toSorted((one, other) => one.position - other.position);
}

export async function countJobs(
  queries: Queries,
  requestId: string,
  kind?: 'package',
): Promise<JobCounts> {
  let statement = queries
    .selectFrom('jobs')
    .select(['state', (eb) => eb.fn.countAll().as('count')])
    .where('request_id', '=', requestId);
  if (kind !== undefined) {
    statement = statement.where('kind', '=', kind);
  }
  const counts: Partial<Record<JobState, number>> = {};
  for (const { state, count } of await statement.groupBy('state').execute()) {
    counts[toState(state)] = Number(count);
  }
  return counts;
}

export async function hasOpenJobs(queries: Queries, requestId: string): Promise<boolean> {
  const row = await queries
    .selectFrom('jobs')
    .select('id')
    .where('request_id', '=', requestId)
    .where('state', 'in', ['waiting', 'ready', 'leased'])
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** The job that failed first, whatever was skipped because of it. */
export async function firstFailedJob(
  queries: Queries,
  requestId: string,
): Promise<JobRow | undefined> {
  return await queries
    .selectFrom('jobs')
    .selectAll()
    .where('request_id', '=', requestId)
    .where('state', 'in', ['failed', 'skipped', 'cancelled'])
    .orderBy((eb) => eb.case().when('state', '=', 'failed').then(0).else(1).end())
    .orderBy('finished_at')
    .orderBy('position')
    .limit(1)
    .executeTakeFirst();
}

export async function findJobRow(queries: Queries, id: string): Promise<JobRow | undefined> {
  return await queries.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst();
}

export async function jobRowsOf(queries: Queries, requestId: string): Promise<JobRow[]> {
  return await queries
    .selectFrom('jobs')
    .selectAll()
    .where('request_id', '=', requestId)
    .orderBy('position')
    .execute();
}

/** Every pair of a job of the request and one that it needs. */
export async function needsOfRequest(
  queries: Queries,
  requestId: string,
): Promise<{ job_id: string; needs_job_id: string }[]> {
  return await queries
    .selectFrom('job_needs')
    .innerJoin('jobs', 'jobs.id', 'job_needs.job_id')
    .select(['job_needs.job_id', 'job_needs.needs_job_id'])
    .where('jobs.request_id', '=', requestId)
    .execute();
}

export async function needsOfJob(queries: Queries, jobId: string): Promise<JobRow[]> {
  return await queries
    .selectFrom('job_needs')
    .innerJoin('jobs', 'jobs.id', 'job_needs.needs_job_id')
    .selectAll('jobs')
    .where('job_needs.job_id', '=', jobId)
    .orderBy('jobs.position')
    .execute();
}

/** Agent -> the jobs that it holds. */
export async function leasedJobsByAgent(queries: Queries): Promise<Map<string, string[]>> {
  const rows = await queries
    .selectFrom('jobs')
    .select(['id', 'agent'])
    .where('state', '=', 'leased')
    .orderBy('id')
    .execute();
  const held = new Map<string, string[]>();
  for (const { id, agent } of rows) {
    if (agent !== null) {
      held.set(agent, [...(held.get(agent) ?? []), id]);
    }
  }
  return held;
}

/** The jobs that are being built now, with the start of the present attempt. */
export async function runningJobs(queries: Queries): Promise<RunningJob[]> {
  const rows = await queries
    .selectFrom('jobs')
    .innerJoin('attempts', (join) =>
      join.onRef('attempts.job_id', '=', 'jobs.id').onRef('attempts.attempt', '=', 'jobs.attempt'),
    )
    .leftJoin('lanes', 'lanes.id', 'jobs.lane')
    .select(['jobs.id', 'attempts.agent', 'attempts.started_at', 'lanes.is_giant'])
    .select(['jobs.estimate_ms', 'jobs.estimate_source'])
    .where('jobs.state', '=', 'leased')
    .execute();
  return rows.map((row) => ({
    jobId: row.id,
    agent: row.agent,
    startedAt: row.started_at,
    usualMs: isTelling(row.estimate_source) ? row.estimate_ms : null,
    isGiant: row.is_giant === 1,
  }));
}

export function toJob(row: JobRow, needs: readonly string[], reason = row.reason): Job {
  return {
    id: row.id,
    requestId: row.request_id,
    kind: row.kind,
    position: row.position,
    name: row.name,
    executor: executorSchema.parse(row.executor),
    state: toState(row.state),
    because: row.because,
    reason,
    attempt: row.attempt,
    agent: row.agent,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    packageId: row.package_id ?? row.collected_package_id,
    needs,
  };
}

export function toState(text: string): JobState {
  const state = JOB_STATES.find((known) => known === text);
  if (state === undefined) {
    throw new Error(`no job state is called ${text}`);
  }
  return state;
}
