import type { Queries } from '../database/database.ts';
import type { JobRow } from '../database/tables.ts';

/** The `spec_json` of every job whose request has not ended. */
export async function specsOfOpenRequests(queries: Queries): Promise<string[]> {
  const rows = await queries
    .selectFrom('jobs')
    .innerJoin('requests', 'requests.id', 'jobs.request_id')
    .select('jobs.spec_json')
    .where('requests.finished_at', 'is', null)
    .execute();
  return rows.map((row) => row.spec_json);
}

/** The jobs of requests that ended before this moment. */
export async function jobsOfRequestsEndedBefore(queries: Queries, at: number): Promise<string[]> {
  const rows = await queries
    .selectFrom('jobs')
    .innerJoin('requests', 'requests.id', 'jobs.request_id')
    .select('jobs.id')
    .where('requests.finished_at', '<', at)
    .execute();
  return rows.map(({ id }) => id);
}

export async function leasedJobs(
  queries: Queries,
): Promise<Pick<JobRow, 'id' | 'request_id' | 'attempt'>[]> {
  return await queries
    .selectFrom('jobs')
    .select(['id', 'request_id', 'attempt'])
    .where('state', '=', 'leased')
    .execute();
}
