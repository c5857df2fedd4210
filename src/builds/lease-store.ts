import type { Queries } from '../database/database.ts';
import type { JobRow } from '../database/tables.ts';
import type { LeaseKey } from './builds.ts';

/** The jobs whose leases have ended, the one that ended first in front. */
export async function expiredJobs(queries: Queries, now: number): Promise<JobRow[]> {
  return await queries
    .selectFrom('jobs')
    .selectAll()
    .where('state', '=', 'leased')
    .where('lease_expires_at', '<', now)
    .orderBy('lease_expires_at')
    .execute();
}

/** When the first of the leases ends; null when there is none. */
export async function firstLeaseEnd(queries: Queries): Promise<number | null> {
  const row = await queries
    .selectFrom('jobs')
    .select((eb) => eb.fn.min('lease_expires_at').as('end'))
    .where('state', '=', 'leased')
    .executeTakeFirst();
  return row?.end ?? null;
}

/** The attempts that hold a job of a request which nobody has cancelled. */
export async function undisturbedLeases(queries: Queries): Promise<LeaseKey[]> {
  const rows = await queries
    .selectFrom('jobs')
    .innerJoin('requests', 'requests.id', 'jobs.request_id')
    .select(['jobs.id', 'jobs.attempt', 'jobs.agent'])
    .where('jobs.state', '=', 'leased')
    .where('requests.cancelled_by', 'is', null)
    .execute();
  return rows.map(({ id, attempt, agent }) => ({ jobId: id, attempt, agent: agent ?? '' }));
}

/** Lets every running lease last at least until then. */
export async function prolongLeases(queries: Queries, until: number): Promise<void> {
  await queries
    .updateTable('jobs')
    .set({ lease_expires_at: until })
    .where('state', '=', 'leased')
    .where('lease_expires_at', '<', until)
    .execute();
}
