import type { Queries } from '../database/database.ts';
import type { JobRow } from '../database/tables.ts';

/** A job that builds, or has built, what another one is to build. */
export type Leader = JobRow & {
  /** When its present or last attempt began. */
  readonly begun_at: number | null;
};

/** Rows of one statement. */
const ROWS_AT_ONCE = 500;
const OPEN = ['waiting', 'ready', 'leased'];
/** What a leader can be. */
const LEADING = ['ready', 'leased', 'succeeded'];

/** Jobs of other requests that nobody has begun, that could be begun, and that are to build the same. */
export async function untriedTwins(queries: Queries, job: JobRow): Promise<JobRow[]> {
  return await twins(queries, job)
    .selectAll('jobs')
    .where('jobs.state', '=', 'ready')
    .where('jobs.attempt', '=', 0)
    .execute();
}

/**
 * Jobs that build the same as this one at this moment or will try again to, or that have; the newest first. Those that
 * were told to stop are not among them.
 */
export async function leaders(queries: Queries, job: JobRow): Promise<Leader[]> {
  return await twins(queries, job)
    .leftJoin('attempts', (join) =>
      join.onRef('attempts.job_id', '=', 'jobs.id').onRef('attempts.attempt', '=', 'jobs.attempt'),
    )
    .selectAll('jobs')
    .select('attempts.started_at as begun_at')
    .where((eb) =>
      eb.or([
        eb.and([eb('jobs.state', '=', 'succeeded'), eb('jobs.package_id', 'is not', null)]),
        eb.and([
          eb.or([
            eb('jobs.state', '=', 'leased'),
            eb.and([eb('jobs.state', '=', 'ready'), eb('jobs.attempt', '>', 0)]),
          ]),
          eb.or([
            eb('requests.cancelled_by', 'is', null),
            eb.exists(
              eb
                .selectFrom('jobs as follower')
                .select('follower.id')
                .whereRef('follower.joined_job_id', '=', 'jobs.id')
                .where('follower.state', '=', 'waiting'),
            ),
          ]),
        ]),
      ]),
    )
    .orderBy('jobs.created_at', 'desc')
    .orderBy('jobs.id')
    .execute();
}

/** Job -> whether another request may have a leader for it. */
export type Twins = ReadonlyMap<string, boolean>;

/** Asks for many jobs at once; `leaders` says more about each of the few that have any. */
export async function withTwins(queries: Queries, jobs: readonly JobRow[]): Promise<Twins> {
  const requestsOf = new Map<string, Set<string>>();
  const inputs = [...new Set(jobs.flatMap((job) => job.inputs ?? []))];
  for (let start = 0; start < inputs.length; start += ROWS_AT_ONCE) {
    const rows = await queries
      .selectFrom('jobs')
      .select(['inputs', 'request_id'])
      .distinct()
      .where('inputs', 'in', inputs.slice(start, start + ROWS_AT_ONCE))
      .where('state', 'in', LEADING)
      .where('joined_job_id', 'is', null)
      .execute();
    for (const { inputs: digest, request_id } of rows) {
      const known = requestsOf.get(digest ?? '') ?? new Set();
      requestsOf.set(digest ?? '', known.add(request_id));
    }
  }
  const isOfOthers = ({ inputs: digest, request_id }: JobRow): boolean =>
    [...(requestsOf.get(digest ?? '') ?? [])].some((other) => other !== request_id);
  return new Map(jobs.map((job) => [job.id, isOfOthers(job)]));
}

function twins(queries: Queries, job: JobRow) {
  return queries
    .selectFrom('jobs')
    .innerJoin('requests', 'requests.id', 'jobs.request_id')
    .where('jobs.inputs', '=', job.inputs)
    .where('jobs.name', '=', job.name)
    .where('jobs.request_id', '!=', job.request_id)
    .where('jobs.joined_job_id', 'is', null)
    .where('requests.profile', '=', (eb) =>
      eb.selectFrom('requests').select('profile').where('id', '=', job.request_id),
    );
}

/** When the last of what a job needs was done; null when it needs nothing. */
export async function needsMetAt(queries: Queries, jobId: string): Promise<number | null> {
  const row = await queries
    .selectFrom('job_needs')
    .innerJoin('jobs', 'jobs.id', 'job_needs.needs_job_id')
    .select((eb) => eb.fn.max('jobs.finished_at').as('at'))
    .where('job_needs.job_id', '=', jobId)
    .executeTakeFirst();
  return row?.at ?? null;
}

/** When the plan of a request that Portage has planned was begun. */
export async function planBegunAt(queries: Queries, requestId: string): Promise<number | null> {
  const row = await queries
    .selectFrom('jobs')
    .innerJoin('attempts', 'attempts.job_id', 'jobs.id')
    .select((eb) => eb.fn.max('attempts.started_at').as('at'))
    .where('jobs.request_id', '=', requestId)
    .where('jobs.kind', '=', 'plan')
    .executeTakeFirst();
  return row?.at ?? null;
}

/** The job waits for what the other one comes to. */
export async function joinTo(queries: Queries, job: JobRow, leader: JobRow): Promise<JobRow> {
  return await queries
    .updateTable('jobs')
    .set({ state: 'waiting', joined_job_id: leader.id })
    .where('id', '=', job.id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** The open jobs that wait for what this one comes to. */
export async function followersOf(queries: Queries, leaderId: string): Promise<JobRow[]> {
  return await queries
    .selectFrom('jobs')
    .selectAll()
    .where('joined_job_id', '=', leaderId)
    .where('state', '=', 'waiting')
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

/** Whether a job of another request waits for what this one comes to: then it goes on, whatever its own request says. */
export async function isWantedElsewhere(queries: Queries, jobId: string): Promise<boolean> {
  return (await followersOf(queries, jobId)).length > 0;
}

/** The jobs of a request that jobs of others wait for. */
export async function wantedElsewhere(queries: Queries, requestId: string): Promise<Set<string>> {
  const rows = await queries
    .selectFrom('jobs')
    .innerJoin('jobs as follower', 'follower.joined_job_id', 'jobs.id')
    .select('jobs.id')
    .distinct()
    .where('jobs.request_id', '=', requestId)
    .where('jobs.state', 'in', OPEN)
    .where('follower.state', '=', 'waiting')
    .execute();
  return new Set(rows.map(({ id }) => id));
}

/** Ends a job as the one has ended that it has joined. */
export async function endAs(
  queries: Queries,
  job: JobRow,
  leader: JobRow,
  end: { readonly reason: string | null; readonly now: number },
): Promise<JobRow> {
  return await queries
    .updateTable('jobs')
    .set({
      state: leader.state,
      reason: end.reason,
      joined_job_id: leader.id,
      attempt: leader.attempt,
      agent: leader.agent,
      started_at: leader.started_at,
      finished_at: end.now,
      package_id: leader.package_id,
    })
    .where('id', '=', job.id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** The jobs of other requests that jobs of this one have joined. */
export async function leadersFor(queries: Queries, requestId: string): Promise<JobRow[]> {
  return await queries
    .selectFrom('jobs')
    .selectAll()
    .where('id', 'in', (eb) =>
      eb
        .selectFrom('jobs')
        .select((one) => one.ref('joined_job_id').$notNull().as('id'))
        .where('request_id', '=', requestId)
        .where('joined_job_id', 'is not', null),
    )
    .execute();
}

/**
 * A job that several requests wait for goes as early as the first of them, and is held only when all of them are.
 * Call it when a request has been paused, resumed or given another priority.
 */
export async function evenOut(queries: Queries, requestId: string): Promise<void> {
  const rows = await queries
    .selectFrom('jobs as leader')
    .innerJoin('jobs as follower', 'follower.joined_job_id', 'leader.id')
    .innerJoin('requests', 'requests.id', 'leader.request_id')
    .select(['leader.id', 'leader.turn', 'requests.paused_at'])
    .select((eb) => [
      eb.fn.min('follower.turn').as('first_turn'),
      eb.fn.min('follower.is_held').as('all_held'),
    ])
    .where('leader.state', 'in', OPEN)
    .where('follower.state', '=', 'waiting')
    .where((eb) =>
      eb.or([
        eb('leader.request_id', '=', requestId),
        eb(
          'leader.id',
          'in',
          eb
            .selectFrom('jobs')
            .select((one) => one.ref('joined_job_id').$notNull().as('id'))
            .where('request_id', '=', requestId)
            .where('joined_job_id', 'is not', null),
        ),
      ]),
    )
    .groupBy(['leader.id', 'leader.turn', 'requests.paused_at'])
    .execute();
  for (const row of rows) {
    await queries
      .updateTable('jobs')
      .set({
        turn: Math.min(row.turn ?? row.first_turn ?? 0, row.first_turn ?? row.turn ?? 0),
        is_held: row.paused_at !== null && row.all_held === 1 ? 1 : 0,
      })
      .where('id', '=', row.id)
      .execute();
  }
}

/** The job whose attempts and logs are those of this one: itself, or the one that it has joined. */
export async function builtAs(queries: Queries, jobId: string): Promise<string> {
  const row = await queries
    .selectFrom('jobs')
    .select('joined_job_id')
    .where('id', '=', jobId)
    .executeTakeFirst();
  return row?.joined_job_id ?? jobId;
}

/** Of these jobs, those that have joined another one, and which. */
export async function joinedAmong(
  queries: Queries,
  jobIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (let start = 0; start < jobIds.length; start += ROWS_AT_ONCE) {
    const rows = await queries
      .selectFrom('jobs')
      .select(['id', 'joined_job_id'])
      .where('id', 'in', jobIds.slice(start, start + ROWS_AT_ONCE))
      .where('joined_job_id', 'is not', null)
      .execute();
    for (const { id, joined_job_id } of rows) {
      found.set(id, joined_job_id ?? id);
    }
  }
  return found;
}

/** The packages of a request that were built, and the requests that have built those which it has not. */
export async function joinedCount(
  queries: Queries,
  requestId: string,
): Promise<{ readonly built: number; readonly joined: number; readonly builders: string[] }> {
  const rows = await queries
    .selectFrom('jobs')
    .leftJoin('jobs as leader', 'leader.id', 'jobs.joined_job_id')
    .select(['leader.request_id as builder', (eb) => eb.fn.countAll().as('count')])
    .where('jobs.request_id', '=', requestId)
    .where('jobs.kind', '=', 'package')
    .where('jobs.state', '=', 'succeeded')
    .groupBy('leader.request_id')
    .orderBy('leader.request_id')
    .execute();
  const total = (of: typeof rows): number => of.reduce((sum, { count }) => sum + Number(count), 0);
  return {
    built: total(rows),
    joined: total(rows.filter(({ builder }) => builder !== null)),
    builders: rows.flatMap(({ builder }) => builder ?? []),
  };
}
