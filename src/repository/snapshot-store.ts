import type { Selectable } from 'kysely';
import type { Queries } from '../database/database.ts';
import type { SnapshotRow } from '../database/tables.ts';
import { digestOf } from '../support/digests.ts';
import type { Block, BlockList } from './blocks/block.ts';
import { insertBlocks } from './blocks/block-store.ts';
import { CHOICE, type PackageChoice } from './package-choice.ts';
import type { PackageRecord } from './package-record.ts';
import { type IndexedPackage, toRecords } from './package-store.ts';
import type { SnapshotRecord } from './publication.ts';

/** The id of the snapshot of exactly these blocks: what is equal has one name, however it came about. */
export function snapshotIdOf(profile: string, blocks: readonly Pick<Block, 'id'>[]): string {
  const text = [profile, ...blocks.map(({ id }) => id)].join('\n');
  return `snap-${digestOf('sha256', text).slice(0, 32)}`;
}

/** Writes a snapshot, unless it is there. Call it within a transaction. */
export async function ensureSnapshot(
  queries: Queries,
  snapshot: SnapshotRecord,
  contents: BlockList,
): Promise<void> {
  const made = await queries
    .insertInto('snapshots')
    .values({
      id: snapshot.id,
      profile: snapshot.profile,
      created_at: snapshot.createdAt,
      author: snapshot.author,
      reason: snapshot.reason,
      origin: snapshot.origin,
      package_count: snapshot.packageCount,
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returning('id')
    .executeTakeFirst();
  if (made !== undefined) {
    await insertBlocks(queries, snapshot.id, contents);
  }
}

export async function findSnapshot(
  queries: Queries,
  id: string,
): Promise<SnapshotRecord | undefined> {
  const row = await queries
    .selectFrom('snapshots')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst();
  return row === undefined ? undefined : toSnapshot(row);
}

/** In the order of an index: by CPV as a string, then BUILD_ID. */
export async function packagesOfSnapshot(queries: Queries, id: string): Promise<PackageRecord[]> {
  const rows = await queries
    .selectFrom('snapshot_blocks')
    .innerJoin('block_packages', 'block_packages.block_id', 'snapshot_blocks.block_id')
    .innerJoin('packages', 'packages.id', 'block_packages.package_id')
    .selectAll('packages')
    .where('snapshot_id', '=', id)
    .orderBy('snapshot_blocks.position')
    .orderBy('block_packages.position')
    .execute();
  return await toRecords(rows);
}

/** In the order of an index. */
export async function indexedPackagesOfSnapshot(
  queries: Queries,
  id: string,
): Promise<IndexedPackage[]> {
  return await queries
    .selectFrom('snapshot_blocks')
    .innerJoin('block_packages', 'block_packages.block_id', 'snapshot_blocks.block_id')
    .innerJoin('packages', 'packages.id', 'block_packages.package_id')
    .select(['category', 'path', 'size', 'stanza'])
    .where('snapshot_id', '=', id)
    .orderBy('snapshot_blocks.position')
    .orderBy('block_packages.position')
    .execute();
}

/** In the order of an index. */
export async function choicesOfSnapshot(queries: Queries, id: string): Promise<PackageChoice[]> {
  return await queries
    .selectFrom('snapshot_blocks')
    .innerJoin('block_packages', 'block_packages.block_id', 'snapshot_blocks.block_id')
    .innerJoin('packages', 'packages.id', 'block_packages.package_id')
    .select(CHOICE)
    .where('snapshot_id', '=', id)
    .orderBy('snapshot_blocks.position')
    .orderBy('block_packages.position')
    .execute();
}

function toSnapshot(row: Selectable<SnapshotRow>): SnapshotRecord {
  return {
    id: row.id,
    profile: row.profile,
    createdAt: row.created_at,
    author: row.author,
    reason: row.reason,
    origin: row.origin,
    packageCount: row.package_count,
  };
}
