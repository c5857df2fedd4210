import type { Insertable, Selectable } from 'kysely';
import type { Queries } from '../../database/database.ts';
import type { ScheduleRow, ScheduleRunRow } from '../../database/tables.ts';
import type { ScheduleKey } from './due-times.ts';

export type RunKey = ScheduleKey & { readonly plannedAt: number };
export type RunRow = Selectable<ScheduleRunRow>;

export async function scheduleRows(queries: Queries): Promise<Selectable<ScheduleRow>[]> {
  return await queries.selectFrom('schedules').selectAll().execute();
}

/** Notes a schedule that is new, or says something new; what it was paused for stays. */
export async function beginSchedule(
  queries: Queries,
  { profile, name }: ScheduleKey,
  values: { readonly policy: string; readonly doneUntil: number },
): Promise<void> {
  const { policy, doneUntil: done_until } = values;
  await queries
    .insertInto('schedules')
    .values({ profile, name, policy, done_until, paused_at: null, paused_by: null })
    .onConflict((conflict) =>
      conflict.columns(['profile', 'name']).doUpdateSet({ policy, done_until }),
    )
    .execute();
}

export async function changeSchedule(
  queries: Queries,
  { profile, name }: ScheduleKey,
  values: Partial<Pick<ScheduleRow, 'done_until' | 'paused_at' | 'paused_by'>>,
): Promise<void> {
  await queries
    .updateTable('schedules')
    .set(values)
    .where('profile', '=', profile)
    .where('name', '=', name)
    .execute();
}

/** False when this planned time has a run already. */
export async function insertRun(
  queries: Queries,
  row: Insertable<ScheduleRunRow>,
): Promise<boolean> {
  const inserted = await queries
    .insertInto('schedule_runs')
    .values(row)
    .onConflict((conflict) => conflict.columns(['profile', 'name', 'planned_at']).doNothing())
    .returning('planned_at')
    .executeTakeFirst();
  return inserted !== undefined;
}

export async function changeRun(
  queries: Queries,
  { profile, name, plannedAt }: RunKey,
  values: Partial<Pick<ScheduleRunRow, 'state' | 'reason' | 'finished_at' | 'request_id'>>,
): Promise<void> {
  await queries
    .updateTable('schedule_runs')
    .set(values)
    .where('profile', '=', profile)
    .where('name', '=', name)
    .where('planned_at', '=', plannedAt)
    .execute();
}

/** Runs that have not ended, the first one first. */
export async function openRuns(queries: Queries): Promise<RunRow[]> {
  return await queries
    .selectFrom('schedule_runs')
    .selectAll()
    .where('state', 'in', ['starting', 'running'])
    .orderBy('planned_at')
    .execute();
}

/** Removes what is older and has ended. */
export async function forgetRuns(
  queries: Queries,
  { profile, name }: ScheduleKey,
  before: number,
): Promise<void> {
  await queries
    .deleteFrom('schedule_runs')
    .where('profile', '=', profile)
    .where('name', '=', name)
    .where('planned_at', '<', before)
    .where('state', 'not in', ['starting', 'running'])
    .execute();
}

/** The last runs of a schedule, newest first. */
export async function lastRuns(
  queries: Queries,
  { profile, name }: ScheduleKey,
  limit: number,
): Promise<RunRow[]> {
  return await queries
    .selectFrom('schedule_runs')
    .selectAll()
    .where('profile', '=', profile)
    .where('name', '=', name)
    .orderBy('planned_at', 'desc')
    .limit(limit)
    .execute();
}

/** What a run has asked for, if it came so far before the server ended. */
export async function findAskedRequest(
  queries: Queries,
  { author, reason }: { readonly author: string; readonly reason: string },
): Promise<string | undefined> {
  const row = await queries
    .selectFrom('requests')
    .select('id')
    .where('author', '=', author)
    .where('publish_reason', '=', reason)
    .executeTakeFirst();
  return row?.id;
}
