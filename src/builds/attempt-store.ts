import type { Queries } from '../database/database.ts';
import type { AttemptRow } from '../database/tables.ts';
import type { LeaseKey } from './builds.ts';

export async function insertAttempt(queries: Queries, key: LeaseKey, now: number): Promise<void> {
  await queries
    .insertInto('attempts')
    .values({
      job_id: key.jobId,
      attempt: key.attempt,
      agent: key.agent,
      started_at: now,
      heard_at: null,
      finished_at: null,
      outcome: null,
      reason: null,
      fault: null,
      code: null,
      log_at: null,
    })
    .execute();
}

/** The agent has said something about this attempt: the lease has reached it. */
export async function markHeard(queries: Queries, key: LeaseKey, now: number): Promise<void> {
  await queries
    .updateTable('attempts')
    .set({ heard_at: now })
    .where('job_id', '=', key.jobId)
    .where('attempt', '=', key.attempt)
    .where('heard_at', 'is', null)
    .execute();
}

export async function finishAttempt(
  queries: Queries,
  key: LeaseKey,
  end: { readonly now: number; readonly outcome: string; readonly reason: string | null },
): Promise<void> {
  await queries
    .updateTable('attempts')
    .set({ finished_at: end.now, outcome: end.outcome, reason: end.reason })
    .where('job_id', '=', key.jobId)
    .where('attempt', '=', key.attempt)
    .where('finished_at', 'is', null)
    .execute();
}

export async function findAttempt(
  queries: Queries,
  jobId: string,
  attempt: number,
): Promise<AttemptRow | undefined> {
  return await queries
    .selectFrom('attempts')
    .selectAll()
    .where('job_id', '=', jobId)
    .where('attempt', '=', attempt)
    .executeTakeFirst();
}

/** How many attempts the job has had, and how many of them took a builder's time and gave nothing. */
export async function countAttempts(
  queries: Queries,
  jobId: string,
): Promise<{ readonly all: number; readonly lost: number }> {
  const rows = await queries
    .selectFrom('attempts')
    .select(['outcome', 'heard_at'])
    .where('job_id', '=', jobId)
    .execute();
  const lost = rows.filter(
    ({ outcome, heard_at }) =>
      outcome === 'unstaged' || (outcome === 'vanished' && heard_at !== null),
  );
  return { all: rows.length, lost: lost.length };
}
