import type { Queries } from '../database/database.ts';
import type { ProfilePauseRow } from '../database/tables.ts';
import type { ProfilePause } from './profile-pause.ts';

export async function putPause(queries: Queries, pause: ProfilePause): Promise<void> {
  const change = { author: pause.by, reason: pause.reason, paused_at: pause.pausedAt };
  await queries
    .insertInto('profile_pauses')
    .values({ profile: pause.profile, ...change })
    .onConflict((conflict) => conflict.column('profile').doUpdateSet(change))
    .execute();
}

export async function removePause(queries: Queries, profile: string): Promise<void> {
  await queries.deleteFrom('profile_pauses').where('profile', '=', profile).execute();
}

export async function findPause(
  queries: Queries,
  profile: string,
): Promise<ProfilePause | undefined> {
  const row = await queries
    .selectFrom('profile_pauses')
    .selectAll()
    .where('profile', '=', profile)
    .executeTakeFirst();
  return row && toPause(row);
}

/** By the name of the profile. */
export async function allPauses(queries: Queries): Promise<ProfilePause[]> {
  const rows = await queries.selectFrom('profile_pauses').selectAll().orderBy('profile').execute();
  return rows.map(toPause);
}

function toPause(row: ProfilePauseRow): ProfilePause {
  return { profile: row.profile, by: row.author, reason: row.reason, pausedAt: row.paused_at };
}
