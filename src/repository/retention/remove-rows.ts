import { sql } from 'kysely';
import type { Queries } from '../../database/database.ts';
import { chunksOf } from '../package-store.ts';
import type { PackageUse, PublicationKey } from './retention-store.ts';

/** Rows that were removed, by table. */
export type RowCounts = Readonly<Record<string, number>>;

export function addCounts(...all: readonly RowCounts[]): RowCounts {
  const sum: Record<string, number> = {};
  for (const [table, count] of all.flatMap((one) => Object.entries(one))) {
    sum[table] = (sum[table] ?? 0) + count;
  }
  return sum;
}

/**
 * Forgets publications, and notes that they were collected. Returns the snapshots that they showed, too. Call it within
 * a transaction.
 */
export async function removePublications(
  queries: Queries,
  keys: readonly PublicationKey[],
  collected_at: number,
): Promise<{ readonly rows: RowCounts; readonly snapshotIds: readonly string[] }> {
  const counts: RowCounts[] = [];
  const snapshotIds = new Set<string>();
  for (const { profile, channel, serial } of keys) {
    const shown = await queries
      .selectFrom('publications')
      .select('snapshot_id')
      .where('profile', '=', profile)
      .where('channel', '=', channel)
      .where('serial', '=', serial)
      .executeTakeFirst();
    if (shown !== undefined) {
      snapshotIds.add(shown.snapshot_id);
    }
    for (const table of ['publications', 'publication_proofs', 'pins'] as const) {
      const result = await sql`delete from ${sql.table(table)}
        where profile = ${profile} and channel = ${channel} and serial = ${serial}`.execute(
        queries,
      );
      counts.push({ [table]: Number(result.numAffectedRows ?? 0) });
    }
    await queries
      .insertInto('collected_publications')
      .values({ profile, channel, serial, collected_at })
      .onConflict((conflict) =>
        conflict.columns(['profile', 'channel', 'serial']).doUpdateSet({ collected_at }),
      )
      .execute();
  }
  return { rows: addCounts(...counts), snapshotIds: [...snapshotIds] };
}

/**
 * Snapshots of a profile (all, or those among `ids`) that no publication shows, and blocks that no snapshot has. Call it
 * within a transaction.
 */
export async function removeUnusedSnapshots(
  queries: Queries,
  profile: string,
  ids?: readonly string[],
): Promise<RowCounts> {
  const ofProfile = queries
    .selectFrom('snapshots')
    .select('id')
    .where('profile', '=', profile)
    .where(
      sql<boolean>`not exists (select 1 from publications where publications.profile = ${profile}
        and publications.snapshot_id = snapshots.id)`,
    );
  const unused = await (ids === undefined ? ofProfile : ofProfile.where('id', 'in', ids)).execute();
  const counts: RowCounts[] = [];
  const count = async (table: string, statement: ReturnType<typeof sql>): Promise<void> => {
    const { numAffectedRows } = await statement.execute(queries);
    counts.push({ [table]: Number(numAffectedRows ?? 0) });
  };
  for (const { id } of unused) {
    const lost = await queries
      .selectFrom('snapshot_blocks')
      .select('block_id')
      .where('snapshot_id', '=', id)
      .execute();
    await count('snapshot_blocks', sql`delete from snapshot_blocks where snapshot_id = ${id}`);
    await count('snapshots', sql`delete from snapshots where id = ${id}`);
    for (const blocks of chunksOf(lost.map((row) => row.block_id))) {
      const isUnused = sql`block_id in (${sql.join(blocks)})
        and not exists (select 1 from snapshot_blocks as other where other.block_id = own.block_id)`;
      await count('block_texts', sql`delete from block_texts as own where ${isUnused}`);
      await count('block_packages', sql`delete from block_packages as own where ${isUnused}`);
      await count(
        'blocks',
        sql`delete from blocks where id in (${sql.join(blocks)})
          and not exists (select 1 from snapshot_blocks where block_id = blocks.id)`,
      );
    }
  }
  return addCounts(...counts);
}

/**
 * Forgets packages; what they were called stays, and the jobs that built them say so. What is newest is looked up anew
 * by the next publication of everything. Call it within a transaction.
 */
export async function removePackages(
  queries: Queries,
  profile: string,
  packages: readonly PackageUse[],
  collected_at: number,
): Promise<RowCounts> {
  for (const { id, cpv, buildId: build_id } of packages) {
    await queries
      .insertInto('collected_packages')
      .values({ id, profile, cpv, build_id, collected_at })
      .execute();
    await sql`update jobs set collected_package_id = package_id, package_id = null
      where package_id = ${id}`.execute(queries);
    await queries.deleteFrom('request_packages').where('package_id', '=', id).execute();
    await queries.deleteFrom('packages').where('id', '=', id).execute();
  }
  await queries.deleteFrom('newest_packages').where('profile', '=', profile).execute();
  await queries.deleteFrom('newest_views').where('profile', '=', profile).execute();
  const checks = await removeFileChecks(
    queries,
    packages.map(({ sha512 }) => sha512),
  );
  return { packages: packages.length, file_checks: checks };
}

/** What was found of files that no package of any profile is any more. Returns how many. */
async function removeFileChecks(queries: Queries, digests: readonly string[]): Promise<number> {
  let removed = 0;
  for (const chunk of chunksOf(digests)) {
    const { numAffectedRows } =
      await sql`delete from file_checks where sha512 in (${sql.join(chunk)})
      and not exists (select 1 from packages where packages.sha512 = file_checks.sha512)`.execute(
        queries,
      );
    removed += Number(numAffectedRows ?? 0);
  }
  return removed;
}
