import { setImmediate } from 'node:timers/promises';
import { type Selectable, sql } from 'kysely';
import * as z from 'zod';
import type { Queries } from '../database/database.ts';
import type { PackageRow } from '../database/tables.ts';
import { notePackage } from './newest/newest-store.ts';
import { CHOICE, type PackageChoice } from './package-choice.ts';
import type { PackageRecord } from './package-record.ts';
import type { PackageQuery } from './repository.ts';

/** SQLite takes some 32,000 parameters in a statement; this stays far below. */
const CHUNK = 1000;

/** What an index needs of a package. */
export interface IndexedPackage {
  readonly category: string;
  readonly path: string;
  readonly size: number;
  readonly stanza: string;
}

/** Call it within a transaction: what is newest of its slot follows. */
export async function insertPackage(queries: Queries, record: PackageRecord): Promise<void> {
  await queries
    .insertInto('packages')
    .values({
      id: record.id,
      profile: record.profile,
      category: record.category,
      pn: record.pn,
      cpv: record.cpv,
      slot: record.slot,
      build_id: record.buildId,
      path: record.path,
      size: record.size,
      md5: record.md5,
      sha1: record.sha1,
      sha512: record.sha512,
      mtime_seconds: record.mtimeSeconds,
      build_time_seconds: record.buildTimeSeconds,
      upload_sha512: record.uploadSha512,
      key_fingerprint: record.keyFingerprint,
      inputs: record.inputs,
      origin: record.origin,
      metadata_json: JSON.stringify(record.metadata),
      stanza: record.stanza,
      search_text: `${record.cpv} ${record.metadata['DESCRIPTION'] ?? ''}`.toLowerCase(),
      imported_at: record.importedAt,
    })
    .execute();
  await notePackage(queries, record);
}

/** Lets another build have the upload of this package; the package answers to its own signed file from now on. */
export async function releaseUpload(queries: Queries, id: string): Promise<void> {
  await queries
    .updateTable('packages')
    .set((row) => ({ upload_sha512: row.ref('sha512') }))
    .where('id', '=', id)
    .execute();
}

export async function findPackage(
  queries: Queries,
  id: string,
): Promise<PackageRecord | undefined> {
  return first(await queries.selectFrom('packages').selectAll().where('id', '=', id).execute());
}

/** The packages with these ids, at most some thousand. */
export async function packagesById(
  queries: Queries,
  ids: readonly string[],
): Promise<PackageRecord[]> {
  return await toRecords(
    await queries.selectFrom('packages').selectAll().where('id', 'in', ids).execute(),
  );
}

/** What became of an upload, or the package whose own file was uploaded. */
export async function findPackageByUpload(
  queries: Queries,
  profile: string,
  uploadSha512: string,
): Promise<PackageRecord | undefined> {
  const ofProfile = queries.selectFrom('packages').selectAll().where('profile', '=', profile);
  return (
    first(await ofProfile.where('upload_sha512', '=', uploadSha512).execute()) ??
    first(await ofProfile.where('sha512', '=', uploadSha512).execute())
  );
}

/** A package that is this very file, in whatever profile. */
export async function findPackageByFile(
  queries: Queries,
  sha512: string,
): Promise<PackageRecord | undefined> {
  const ofFile = queries.selectFrom('packages').selectAll().where('sha512', '=', sha512);
  return first(await ofFile.orderBy('imported_at').orderBy('id').limit(1).execute());
}

export async function findPackageByInputs(
  queries: Queries,
  profile: string,
  inputs: string,
): Promise<PackageRecord | undefined> {
  return first(
    await queries
      .selectFrom('packages')
      .selectAll()
      .where('profile', '=', profile)
      .where('inputs', '=', inputs)
      .orderBy('build_time_seconds', 'desc')
      .orderBy('build_id', 'desc')
      .limit(1)
      .execute(),
  );
}

export async function packagesByCpv(
  queries: Queries,
  profile: string,
  cpv: string,
): Promise<PackageRecord[]> {
  const rows = await queries
    .selectFrom('packages')
    .selectAll()
    .where('profile', '=', profile)
    .where('cpv', '=', cpv)
    .orderBy('build_id', 'desc')
    .execute();
  return rows.map(toRecord);
}

/** The newest build (by BUILD_TIME, then BUILD_ID) of each CPV, in the order of the CPVs as strings. */
export async function newestPackages(queries: Queries, profile: string): Promise<PackageRecord[]> {
  const rows = await queries
    .selectFrom('packages')
    .selectAll()
    .where('profile', '=', profile)
    .where(
      sql<boolean>`not exists (select 1 from packages as other
        where other.profile = packages.profile and other.cpv = packages.cpv
          and (other.build_time_seconds > packages.build_time_seconds
            or (other.build_time_seconds = packages.build_time_seconds
              and other.build_id > packages.build_id)))`,
    )
    .orderBy('cpv')
    .execute();
  return await toRecords(rows);
}

/** Those of the ids that exist in the profile. */
export async function choicesOf(
  queries: Queries,
  profile: string,
  ids: readonly string[],
): Promise<PackageChoice[]> {
  const found: PackageChoice[] = [];
  for (const chunk of chunksOf(ids)) {
    const rows = await queries
      .selectFrom('packages')
      .select([...CHOICE, 'profile'])
      .where('id', 'in', chunk)
      .execute();
    // Asked for the profile too, SQLite goes through all packages of it.
    found.push(...rows.filter((row) => row.profile === profile));
  }
  return found;
}

/** The packages with these ids, in the order of an index. */
export async function indexedPackages(
  queries: Queries,
  ids: readonly string[],
): Promise<IndexedPackage[]> {
  const found: (IndexedPackage & { readonly cpv: string; readonly build_id: number })[] = [];
  for (const chunk of chunksOf(ids)) {
    found.push(
      ...(await queries
        .selectFrom('packages')
        .select(['category', 'path', 'size', 'stanza', 'cpv', 'build_id'])
        .where('id', 'in', chunk)
        .execute()),
    );
  }
  return found.toSorted(
    (a, b) => Number(a.cpv > b.cpv) - Number(a.cpv < b.cpv) || a.build_id - b.build_id,
  );
}

export async function searchPackages(
  queries: Queries,
  query: PackageQuery & { readonly snapshotId?: string },
): Promise<{ readonly packages: PackageRecord[]; readonly total: number }> {
  let matching = queries.selectFrom('packages').where('profile', '=', query.profile);
  const { snapshotId } = query;
  if (snapshotId !== undefined) {
    matching = matching.where('id', 'in', (nested) =>
      nested
        .selectFrom('snapshot_blocks')
        .innerJoin('block_packages', 'block_packages.block_id', 'snapshot_blocks.block_id')
        .select('package_id')
        .where('snapshot_id', '=', snapshotId),
    );
  }
  if (query.search !== undefined && query.search !== '') {
    const pattern = `%${query.search.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`;
    matching = matching.where(sql<boolean>`search_text like ${pattern} escape '\\'`);
  }
  const { total } = await matching
    .select((select) => select.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  const rows = await matching
    .selectAll()
    .orderBy('cpv')
    .orderBy('build_id', 'desc')
    .limit(query.limit)
    .offset(query.offset)
    .execute();
  return { packages: rows.map(toRecord), total };
}

/** Whether a row refers to this path of the profile, and whether one refers to this file of the pool. */
export async function references(
  queries: Queries,
  file: { readonly profile: string; readonly path: string; readonly sha512: string },
): Promise<{ readonly path: boolean; readonly pool: boolean }> {
  const rows = await queries
    .selectFrom('packages')
    .select(['profile', 'path', 'sha512'])
    .where((either) =>
      either.or([
        either.and([either('profile', '=', file.profile), either('path', '=', file.path)]),
        either('sha512', '=', file.sha512),
      ]),
    )
    .execute();
  return {
    path: rows.some((row) => row.profile === file.profile && row.path === file.path),
    pool: rows.some((row) => row.sha512 === file.sha512),
  };
}

/** When these packages were imported, by id. */
export async function importTimes(
  queries: Queries,
  ids: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const times = new Map<string, number>();
  for (const chunk of chunksOf(ids)) {
    const rows = await queries
      .selectFrom('packages')
      .select(['id', 'imported_at'])
      .where('id', 'in', chunk)
      .execute();
    for (const row of rows) {
      times.set(row.id, row.imported_at);
    }
  }
  return times;
}

export function chunksOf(ids: readonly string[]): string[][] {
  const chunks: string[][] = [];
  for (let start = 0; start < ids.length; start += CHUNK) {
    chunks.push(ids.slice(start, start + CHUNK));
  }
  return chunks;
}

/** As `toRecord` for many rows; other work gets its turn in between. */
export async function toRecords(rows: readonly Selectable<PackageRow>[]): Promise<PackageRecord[]> {
  const records: PackageRecord[] = [];
  for (let start = 0; start < rows.length; start += CHUNK) {
    records.push(...rows.slice(start, start + CHUNK).map(toRecord));
    await setImmediate();
  }
  return records;
}

const metadataSchema = z.record(z.string(), z.string());

function toRecord(row: Selectable<PackageRow>): PackageRecord {
  return {
    id: row.id,
    profile: row.profile,
    category: row.category,
    pn: row.pn,
    cpv: row.cpv,
    slot: row.slot,
    buildId: row.build_id,
    path: row.path,
    size: row.size,
    md5: row.md5,
    sha1: row.sha1,
    sha512: row.sha512,
    mtimeSeconds: row.mtime_seconds,
    buildTimeSeconds: row.build_time_seconds,
    uploadSha512: row.upload_sha512,
    keyFingerprint: row.key_fingerprint,
    inputs: row.inputs,
    origin: row.origin,
    metadata: metadataSchema.parse(JSON.parse(row.metadata_json)),
    stanza: row.stanza,
    importedAt: row.imported_at,
  };
}

function first(rows: readonly Selectable<PackageRow>[]): PackageRecord | undefined {
  return rows[0] === undefined ? undefined : toRecord(rows[0]);
}
