import type { Queries } from '../database/database.ts';
import type { AttemptRow } from '../database/tables.ts';
import type { Attempt, LeaseKey } from './builds.ts';
import type { Fault } from './fault.ts';

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
      limits_json: null,
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
  end: {
    readonly now: number;
    readonly outcome: string;
    readonly reason: string | null;
    readonly fault: Fault | null;
    readonly code: string | null;
  },
): Promise<void> {
  await queries
    .updateTable('attempts')
    .set({
      finished_at: end.now,
      outcome: end.outcome,
      reason: end.reason,
      fault: end.fault,
      code: end.code,
    })
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

/** The attempts of a job, the first one first. */
export async function attemptsOf(queries: Queries, jobId: string): Promise<AttemptRow[]> {
  return await queries
    .selectFrom('attempts')
    .selectAll()
    .where('job_id', '=', jobId)
    .orderBy('attempt')
    .execute();
}

/** An end of an attempt of some agent, with what it was about. */
export type AgentAttempt = Pick<AttemptRow, 'agent' | 'outcome' | 'fault' | 'reason'> & {
  readonly name: string;
  readonly profile: string;
};

/** The last attempts at packages that an agent ended after `since`, the newest first. */
export async function lastAttemptsOn(
  queries: Queries,
  agent: string,
  { since, limit }: { readonly since: number; readonly limit: number },
): Promise<AgentAttempt[]> {
  return await queries
    .selectFrom('attempts')
    .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
    .innerJoin('requests', 'requests.id', 'jobs.request_id')
    .select([
      'attempts.agent',
      'attempts.outcome',
      'attempts.fault',
      'attempts.reason',
      'jobs.name',
      'requests.profile',
    ])
    .where('attempts.agent', '=', agent)
    .where('attempts.finished_at', '>', since)
    .where('jobs.kind', '=', 'package')
    .orderBy('attempts.finished_at', 'desc')
    .orderBy('attempts.job_id')
    .limit(limit)
    .execute();
}

/** The packages out of `names` that failed, after `since`, on another agent than this one. */
export async function failedElsewhere(
  queries: Queries,
  agent: string,
  { names, since }: { readonly names: readonly string[]; readonly since: number },
): Promise<{ name: string; profile: string }[]> {
  return names.length === 0
    ? []
    : await queries
        .selectFrom('attempts')
        .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
        .innerJoin('requests', 'requests.id', 'jobs.request_id')
        .select(['jobs.name', 'requests.profile'])
        .distinct()
        .where('attempts.fault', 'is not', null)
        .where('attempts.agent', '!=', agent)
        .where('attempts.finished_at', '>', since)
        .where('jobs.name', 'in', names)
        .execute();
}

/** The attempts that hold a job. */
export async function runningAttempts(queries: Queries): Promise<AttemptRow[]> {
  return await queries
    .selectFrom('jobs')
    .innerJoin('attempts', (join) =>
      join.onRef('attempts.job_id', '=', 'jobs.id').onRef('attempts.attempt', '=', 'jobs.attempt'),
    )
    .selectAll('attempts')
    .where('jobs.state', '=', 'leased')
    .execute();
}

export async function updateAttempt(
  queries: Queries,
  key: LeaseKey,
  change: Partial<Pick<AttemptRow, 'log_at' | 'limits_json'>>,
): Promise<void> {
  await queries
    .updateTable('attempts')
    .set(change)
    .where('job_id', '=', key.jobId)
    .where('attempt', '=', key.attempt)
    .execute();
}

export function toAttempt(row: AttemptRow): Attempt {
  const { attempt, agent, outcome, fault, code, reason } = row;
  const [startedAt, finishedAt] = [row.started_at, row.finished_at];
  return { attempt, agent, startedAt, finishedAt, outcome, fault, code, reason };
}
