import type { Queries } from '../database/database.ts';
import type { AttemptRow } from '../database/tables.ts';

/** Every attempt at a job of the request, also by one that it has joined, in the order in which they began. */
export async function attemptsOfRequest(
  queries: Queries,
  requestId: string,
): Promise<AttemptRow[]> {
  return await queries
    .selectFrom('attempts')
    .innerJoin('jobs', (join) =>
      join.on((eb) =>
        eb(eb.fn.coalesce('jobs.joined_job_id', 'jobs.id'), '=', eb.ref('attempts.job_id')),
      ),
    )
    .selectAll('attempts')
    .select('jobs.id as job_id')
    .where('jobs.request_id', '=', requestId)
    .orderBy('attempts.started_at')
    .orderBy('attempts.job_id')
    .execute();
}

/** What agents build now, whoever has asked for it. */
export async function runningJobs(queries: Queries): Promise<
  {
    readonly id: string;
    readonly name: string;
    readonly request_id: string;
    readonly profile: string;
    readonly agent: string | null;
    readonly attempt: number;
    readonly begun_at: number;
  }[]
> {
  return await queries
    .selectFrom('jobs')
    .innerJoin('requests', 'requests.id', 'jobs.request_id')
    .innerJoin('attempts', (join) =>
      join.onRef('attempts.job_id', '=', 'jobs.id').onRef('attempts.attempt', '=', 'jobs.attempt'),
    )
    .select([
      'jobs.id',
      'jobs.name',
      'jobs.request_id',
      'requests.profile',
      'jobs.agent',
      'jobs.attempt',
      'attempts.started_at as begun_at',
    ])
    .where('jobs.state', '=', 'leased')
    .execute();
}

/** Where a search through logs goes on: behind this attempt. */
export interface LogPlace {
  readonly startedAt: number;
  readonly jobId: string;
  readonly attempt: number;
}

export interface LogToSearch extends LogPlace {
  readonly requestId: string;
  readonly name: string;
  readonly profile: string;
}

/** Of which attempts. */
export interface Among {
  readonly requestId?: string;
  readonly jobId?: string;
}

/** Attempts, newest first, behind `after`. */
export async function attemptsToSearch(
  queries: Queries,
  query: Among & { readonly after: LogPlace | undefined; readonly limit: number },
): Promise<LogToSearch[]> {
  const { requestId, jobId, after } = query;
  let statement = queries
    .selectFrom('attempts')
    .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
    .innerJoin('requests', 'requests.id', 'jobs.request_id');
  if (requestId !== undefined) {
    statement = statement.where('jobs.id', 'in', builtFor(queries, 'request_id', requestId));
  }
  if (jobId !== undefined) {
    statement = statement.where('jobs.id', 'in', builtFor(queries, 'id', jobId));
  }
  if (after !== undefined) {
    statement = statement.where((eb) =>
      eb.or([
        eb('attempts.started_at', '<', after.startedAt),
        eb.and([
          eb('attempts.started_at', '=', after.startedAt),
          eb.or([
            eb('attempts.job_id', '<', after.jobId),
            eb.and([
              eb('attempts.job_id', '=', after.jobId),
              eb('attempts.attempt', '<', after.attempt),
            ]),
          ]),
        ]),
      ]),
    );
  }
  return await statement
    .select([
      'attempts.started_at as startedAt',
      'attempts.job_id as jobId',
      'attempts.attempt',
      'jobs.request_id as requestId',
      'jobs.name',
      'requests.profile',
    ])
    .orderBy('attempts.started_at', 'desc')
    .orderBy('attempts.job_id', 'desc')
    .orderBy('attempts.attempt', 'desc')
    .limit(query.limit)
    .execute();
}

export async function countAttemptsToSearch(
  queries: Queries,
  { requestId, jobId }: Among,
): Promise<number> {
  let statement = queries.selectFrom('attempts').innerJoin('jobs', 'jobs.id', 'attempts.job_id');
  if (requestId !== undefined) {
    statement = statement.where('jobs.id', 'in', builtFor(queries, 'request_id', requestId));
  }
  if (jobId !== undefined) {
    statement = statement.where('jobs.id', 'in', builtFor(queries, 'id', jobId));
  }
  const row = await statement
    .select((eb) => eb.fn.countAll().as('count'))
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** The jobs themselves, or those that they have joined. */
function builtFor(queries: Queries, column: 'id' | 'request_id', value: string) {
  return queries
    .selectFrom('jobs')
    .select((eb) => eb.fn.coalesce('joined_job_id', 'id').as('id'))
    .where(column, '=', value);
}
