import type { Queries } from '../database/database.ts';
import type { BlockedBuildRow } from '../database/tables.ts';

/** Names of one statement: SQLite takes 32,766 variables. */
const NAMES_AT_ONCE = 1000;

export async function blockBuild(queries: Queries, row: BlockedBuildRow): Promise<void> {
  const { job_id, reason, blocked_at } = row;
  await queries
    .insertInto('blocked_builds')
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(['profile', 'cpv', 'inputs']).doUpdateSet({ job_id, reason, blocked_at }),
    )
    .execute();
}

/** The newest first. */
export async function blockedRows(queries: Queries, profile?: string): Promise<BlockedBuildRow[]> {
  let statement = queries.selectFrom('blocked_builds').selectAll();
  if (profile !== undefined) {
    statement = statement.where('profile', '=', profile);
  }
  return await statement.orderBy('blocked_at', 'desc').orderBy('cpv').execute();
}

export async function blockedAmong(
  queries: Queries,
  profile: string,
  cpvs: readonly string[],
): Promise<BlockedBuildRow[]> {
  const found: BlockedBuildRow[] = [];
  for (let start = 0; start < cpvs.length; start += NAMES_AT_ONCE) {
    found.push(
      ...(await queries
        .selectFrom('blocked_builds')
        .selectAll()
        .where('profile', '=', profile)
        .where('cpv', 'in', cpvs.slice(start, start + NAMES_AT_ONCE))
        .execute()),
    );
  }
  return found;
}

/** Takes the blocks of these packages away, whatever their inputs, and tells which there were. */
export async function removeBlocks(
  queries: Queries,
  profile: string,
  cpvs: readonly string[],
): Promise<BlockedBuildRow[]> {
  const removed: BlockedBuildRow[] = [];
  for (let start = 0; start < cpvs.length; start += NAMES_AT_ONCE) {
    removed.push(
      ...(await queries
        .deleteFrom('blocked_builds')
        .where('profile', '=', profile)
        .where('cpv', 'in', cpvs.slice(start, start + NAMES_AT_ONCE))
        .returningAll()
        .execute()),
    );
  }
  return removed;
}
