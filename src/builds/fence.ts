import type { Queries } from '../database/database.ts';
import type { JobRow } from '../database/tables.ts';
import { AppError } from '../support/errors.ts';
import { markHeard } from './attempt-store.ts';
import type { LeaseKey } from './builds.ts';
import { findLeasedJob } from './job-store.ts';

/** The job that this attempt holds. Throws `stale-attempt` when it holds none, or no more. */
export async function heldJob(queries: Queries, key: LeaseKey): Promise<JobRow> {
  const job = await findLeasedJob(queries, key);
  if (job === undefined) {
    throw staleAttempt(key);
  }
  return job;
}

/** As `heldJob`, for a word of the agent: it shows that the lease has reached it. */
export async function hear(queries: Queries, key: LeaseKey, now: number): Promise<JobRow> {
  const job = await heldJob(queries, key);
  await markHeard(queries, key, now);
  return job;
}

export function staleAttempt(key: LeaseKey): AppError {
  return new AppError(
    'stale-attempt',
    `Attempt ${key.attempt} of the agent ${key.agent} does not hold the job ${key.jobId}.`,
    { details: { jobId: key.jobId, attempt: key.attempt, agent: key.agent } },
  );
}
