import { setImmediate } from 'node:timers/promises';
import type { Queries } from '../../database/database.ts';
import { CHOICE, type PackageChoice } from '../package-choice.ts';
import type { IndexedPackage } from '../package-store.ts';
import type { Block, BlockList, MadeBlock } from './block.ts';

/** Rows in a statement: some two milliseconds. */
const CHUNK = 250;

/** The blocks of a snapshot, in order. */
export async function blocksOfSnapshot(queries: Queries, snapshotId: string): Promise<Block[]> {
  const rows = await queries
    .selectFrom('snapshot_blocks')
    .innerJoin('blocks', 'blocks.id', 'snapshot_blocks.block_id')
    .selectAll('blocks')
    .where('snapshot_id', '=', snapshotId)
    .orderBy('position')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    packageCount: row.package_count,
    lastCpv: row.last_cpv,
    lastBuildId: row.last_build_id,
    categories: row.categories.split(' '),
  }));
}

export async function blockIdsOfSnapshot(
  queries: Queries,
  snapshotId: string,
): Promise<ReadonlySet<string>> {
  const rows = await queries
    .selectFrom('snapshot_blocks')
    .select('block_id')
    .where('snapshot_id', '=', snapshotId)
    .execute();
  return new Set(rows.map((row) => row.block_id));
}

/** The packages of a block, in order. */
export async function choicesOfBlock(queries: Queries, blockId: string): Promise<PackageChoice[]> {
  return await queries
    .selectFrom('block_packages')
    .innerJoin('packages', 'packages.id', 'block_packages.package_id')
    .select(CHOICE)
    .where('block_id', '=', blockId)
    .orderBy('position')
    .execute();
}

/** As `choicesOfBlock`, with what an index needs. */
export async function indexedPackagesOfBlock(
  queries: Queries,
  blockId: string,
): Promise<IndexedPackage[]> {
  return await queries
    .selectFrom('block_packages')
    .innerJoin('packages', 'packages.id', 'block_packages.package_id')
    .select(['category', 'path', 'size', 'stanza'])
    .where('block_id', '=', blockId)
    .orderBy('position')
    .execute();
}

/** As `choicesOfBlock`, with what tells whether the files are there. */
export async function filesOfBlock(
  queries: Queries,
  blockId: string,
): Promise<Pick<IndexedPackage, 'path' | 'size'>[]> {
  return await queries
    .selectFrom('block_packages')
    .innerJoin('packages', 'packages.id', 'block_packages.package_id')
    .select(['path', 'size'])
    .where('block_id', '=', blockId)
    .orderBy('position')
    .execute();
}

/** Writes the blocks of a new snapshot. Call it within the transaction that makes the snapshot. */
export async function insertBlocks(
  queries: Queries,
  snapshotId: string,
  { blocks, made }: BlockList,
): Promise<void> {
  for (const one of made) {
    await ensureBlock(queries, one);
    await setImmediate();
  }
  const rows = blocks.map(({ id }, position) => ({
    snapshot_id: snapshotId,
    position,
    block_id: id,
  }));
  for (let start = 0; start < rows.length; start += CHUNK) {
    await queries
      .insertInto('snapshot_blocks')
      .values(rows.slice(start, start + CHUNK))
      .execute();
    await setImmediate();
  }
}

async function ensureBlock(queries: Queries, { block, packageIds }: MadeBlock): Promise<void> {
  const inserted = await queries
    .insertInto('blocks')
    .values({
      id: block.id,
      package_count: block.packageCount,
      last_cpv: block.lastCpv,
      last_build_id: block.lastBuildId,
      categories: block.categories.join(' '),
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returning('id')
    .executeTakeFirst();
  if (inserted === undefined) {
    return;
  }
  const rows = packageIds.map((package_id, position) => ({
    block_id: block.id,
    position,
    package_id,
  }));
  for (let start = 0; start < rows.length; start += CHUNK) {
    await queries
      .insertInto('block_packages')
      .values(rows.slice(start, start + CHUNK))
      .execute();
  }
}

/** What was said of the text of a block when it was checked. */
export interface BlockText {
  readonly blockId: string;
  /** SHA-256 of the text, and of the gzip member that holds it. */
  readonly sha256: string;
  readonly packedSha256: string;
}

/** Of those blocks of a snapshot whose texts were checked, below a header that gives these lines. */
export async function textsOfSnapshot(
  queries: Queries,
  snapshotId: string,
  inherited: string,
): Promise<ReadonlyMap<string, BlockText>> {
  const rows = await queries
    .selectFrom('snapshot_blocks')
    .innerJoin('block_texts', 'block_texts.block_id', 'snapshot_blocks.block_id')
    .select(['block_texts.block_id as blockId', 'sha256', 'packed_sha256 as packedSha256'])
    .where('snapshot_id', '=', snapshotId)
    .where('inherited', '=', inherited)
    .execute();
  return new Map(rows.map((row) => [row.blockId, row]));
}

/** Keeps what a check has shown; what is known of a text already is replaced. */
export async function saveTexts(
  queries: Queries,
  inherited: string,
  texts: readonly BlockText[],
): Promise<void> {
  for (let start = 0; start < texts.length; start += CHUNK) {
    const rows = texts.slice(start, start + CHUNK).map(({ blockId, sha256, packedSha256 }) => ({
      block_id: blockId,
      inherited,
      sha256,
      packed_sha256: packedSha256,
    }));
    await queries
      .insertInto('block_texts')
      .values(rows)
      .onConflict((conflict) =>
        conflict.columns(['block_id', 'inherited']).doUpdateSet((row) => ({
          sha256: row.ref('excluded.sha256'),
          packed_sha256: row.ref('excluded.packed_sha256'),
        })),
      )
      .execute();
  }
}
