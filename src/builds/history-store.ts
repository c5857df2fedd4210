import { sql } from 'kysely';
import type { Queries } from '../database/database.ts';
import type { AttemptHistoryRow } from '../database/tables.ts';
import type { HistoryFilter, HistoryGroup, HistoryGrouping } from './history.ts';

const ROWS_AT_ONCE = 500;

export async function insertHistory(queries: Queries, row: AttemptHistoryRow): Promise<void> {
  await queries
    .insertInto('attempt_history')
    .values(row)
    .onConflict((conflict) => conflict.columns(['job_id', 'attempt']).doNothing())
    .execute();
}

/** Newest first. */
export async function historyRows(
  queries: Queries,
  query: HistoryFilter & { readonly limit: number },
): Promise<AttemptHistoryRow[]> {
  return await filtered(queries, query)
    .selectAll()
    .orderBy('finished_at', 'desc')
    .orderBy('job_id', 'desc')
    .orderBy('attempt', 'desc')
    .limit(query.limit)
    .execute();
}

function filtered(queries: Queries, filter: HistoryFilter) {
  let statement = queries.selectFrom('attempt_history').where('kind', '=', 'package');
  for (const column of ['profile', 'package', 'agent'] as const) {
    const value = filter[column];
    if (value !== undefined) {
      statement = statement.where(column, '=', value);
    }
  }
  return statement.where('finished_at', '>=', filter.since ?? 0);
}

/** What came of the attempts, by package, profile or agent; the ones with most time spent first. */
export async function historyGroups(
  queries: Queries,
  by: HistoryGrouping,
  query: HistoryFilter & { readonly limit: number },
): Promise<HistoryGroup[]> {
  const spent = sql<number | string>`sum(finished_at - started_at)`;
  const succeeded = sql<number | string>`sum(case when outcome = 'succeeded' then 1 else 0 end)`;
  const failed = sql<number | string>`sum(case when outcome = 'failed' then 1 else 0 end)`;
  const took = sql<
    number | null
  >`avg(case when outcome = 'succeeded' then finished_at - started_at end)`;
  const longest = sql<
    number | null
  >`max(case when outcome = 'succeeded' then finished_at - started_at end)`;
  const size = sql<number | null>`avg(package_bytes)`;
  const rows = await filtered(queries, query)
    .select([
      `${by} as name`,
      (eb) => eb.fn.countAll().as('attempts'),
      (eb) => eb.fn.max('finished_at').as('last_at'),
      succeeded.as('succeeded'),
      failed.as('failed'),
      spent.as('spent'),
      took.as('took'),
      longest.as('longest'),
      size.as('size'),
    ])
    .groupBy(by)
    .orderBy(spent, 'desc')
    .orderBy(by)
    .limit(query.limit)
    .execute();
  return rows.map((row) => ({
    name: row.name,
    attempts: Number(row.attempts),
    succeeded: Number(row.succeeded),
    failed: Number(row.failed),
    spentMs: Number(row.spent),
    averageMs: wholeOrNull(row.took),
    longestMs: wholeOrNull(row.longest),
    averageBytes: wholeOrNull(row.size),
    lastAt: row.last_at,
  }));
}

/** Averages come as numbers or as text, by the database. */
function wholeOrNull(value: unknown): number | null {
  return value === null ? null : Math.round(Number(value));
}

/** What the last attempts at these jobs have come to that have ended. */
export async function lastEnds(
  queries: Queries,
  jobIds: readonly string[],
): Promise<AttemptHistoryRow[]> {
  const found: AttemptHistoryRow[] = [];
  for (let start = 0; start < jobIds.length; start += ROWS_AT_ONCE) {
    found.push(
      ...(await queries
        .selectFrom('attempt_history')
        .selectAll()
        .where('job_id', 'in', jobIds.slice(start, start + ROWS_AT_ONCE))
        .where('error_line', 'is not', null)
        .orderBy('attempt')
        .execute()),
    );
  }
  return found;
}

export async function findHistory(
  queries: Queries,
  jobId: string,
  attempt: number,
): Promise<AttemptHistoryRow | undefined> {
  return await queries
    .selectFrom('attempt_history')
    .selectAll()
    .where('job_id', '=', jobId)
    .where('attempt', '=', attempt)
    .executeTakeFirst();
}

/** How many attempts that ended before this moment were forgotten. */
export async function removeHistoryBefore(queries: Queries, at: number): Promise<number> {
  const { numDeletedRows } = await queries
    .deleteFrom('attempt_history')
    .where('finished_at', '<', at)
    .executeTakeFirst();
  return Number(numDeletedRows);
}
