import { setImmediate } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Queries } from '../../database/database.ts';
import { chunksOf } from '../package-store.ts';
import type { ChannelKey } from '../publication-store.ts';
import type { Publication } from './what-to-keep.ts';

/** Rows in a statement: some two milliseconds. */
const SLICE = 1000;

export type PublicationKey = ChannelKey & { readonly serial: number };

export interface Pin extends PublicationKey {
  readonly author: string;
  readonly reason: string;
  readonly createdAt: number;
}

/** A package that nothing holds for good, or one with what does. */
export interface PackageUse {
  readonly id: string;
  readonly cpv: string;
  readonly buildId: number;
  readonly path: string;
  readonly sha512: string;
  readonly size: number;
  readonly importedAt: number;
}

export async function pinsOf(queries: Queries, profile: string): Promise<Pin[]> {
  const rows = await queries
    .selectFrom('pins')
    .selectAll()
    .where('profile', '=', profile)
    .orderBy('channel')
    .orderBy('serial')
    .execute();
  return rows.map(({ created_at: createdAt, ...row }) => ({ ...row, createdAt }));
}

/** Pins, or says anew why. */
export async function savePin(queries: Queries, pin: Pin): Promise<void> {
  const { createdAt: created_at, author, reason, profile, channel, serial } = pin;
  const values = { author, reason, created_at };
  await queries
    .insertInto('pins')
    .values({ profile, channel, serial, ...values })
    .onConflict((conflict) =>
      conflict.columns(['profile', 'channel', 'serial']).doUpdateSet(values),
    )
    .execute();
}

/** False when it was not pinned. */
export async function deletePin(queries: Queries, key: PublicationKey): Promise<boolean> {
  const { numDeletedRows } = await queries
    .deleteFrom('pins')
    .where('profile', '=', key.profile)
    .where('channel', '=', key.channel)
    .where('serial', '=', key.serial)
    .executeTakeFirstOrThrow();
  return numDeletedRows > 0n;
}

/** When a publication was collected; undefined when it was not. */
export async function publicationCollectedAt(
  queries: Queries,
  key: PublicationKey,
): Promise<number | undefined> {
  const row = await queries
    .selectFrom('collected_publications')
    .select('collected_at')
    .where('profile', '=', key.profile)
    .where('channel', '=', key.channel)
    .where('serial', '=', key.serial)
    .executeTakeFirst();
  return row?.collected_at;
}

export interface CollectedPackage {
  readonly id: string;
  readonly profile: string;
  readonly cpv: string;
  readonly buildId: number;
  readonly collectedAt: number;
}

export async function findCollectedPackage(
  queries: Queries,
  id: string,
): Promise<CollectedPackage | undefined> {
  return await queries
    .selectFrom('collected_packages')
    .select(['id', 'profile', 'cpv', 'build_id as buildId', 'collected_at as collectedAt'])
    .where('id', '=', id)
    .executeTakeFirst();
}

/** All publications of a profile, by channel, oldest first. Other work gets its turn in between. */
export async function publicationsOfProfile(
  queries: Queries,
  profile: string,
): Promise<(Publication & PublicationKey)[]> {
  const found: (Publication & PublicationKey)[] = [];
  for (let [channel, serial] = ['', 0]; ; ) {
    const some = await queries
      .selectFrom('publications')
      .select([
        'profile',
        'channel',
        'serial',
        'kind',
        'snapshot_id as snapshotId',
        'created_at as createdAt',
      ])
      .where('profile', '=', profile)
      .where(sql<boolean>`(channel, serial) > (${channel}, ${serial})`)
      .orderBy('channel')
      .orderBy('serial')
      .limit(SLICE)
      .execute();
    const last = some.at(-1);
    if (last === undefined) {
      return found;
    }
    found.push(...some);
    ({ channel, serial } = last);
    await setImmediate();
  }
}

/** The ids of the packages in a block. */
export async function packageIdsOfBlock(queries: Queries, blockId: string): Promise<string[]> {
  const rows = await queries
    .selectFrom('block_packages')
    .select('package_id')
    .where('block_id', '=', blockId)
    .execute();
  return rows.map((row) => row.package_id);
}

/** The packages of a profile behind this id, at most so many, by id. */
export async function packagesBehind(
  queries: Queries,
  profile: string,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<PackageUse[]> {
  return await queries
    .selectFrom('packages')
    .select([
      'id',
      'cpv',
      'build_id as buildId',
      'path',
      'sha512',
      'size',
      'imported_at as importedAt',
    ])
    .where('profile', '=', profile)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Digests of files in the pool -> the other profiles that refer to them too. */
export async function otherProfilesWith(
  queries: Queries,
  profile: string,
  digests: readonly string[],
): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const chunk of chunksOf(digests)) {
    const rows = await queries
      .selectFrom('packages')
      .select(['sha512', 'profile'])
      .where('sha512', 'in', chunk)
      .where('profile', '!=', profile)
      .execute();
    for (const row of rows) {
      found.set(row.sha512, [...(found.get(row.sha512) ?? []), row.profile]);
    }
  }
  return found;
}

/**
 * Packages that open requests of a profile use: what they name, and the newest build of each CPV, which their jobs may
 * be given to install.
 */
export async function packagesOfOpenRequests(
  queries: Queries,
  profile: string,
): Promise<Map<string, string>> {
  const open = await queries
    .selectFrom('requests')
    .select('id')
    .where('profile', '=', profile)
    .where('state', 'not in', ['done', 'partial', 'failed', 'cancelled'])
    .orderBy('created_at')
    .execute();
  const [first] = open;
  if (first === undefined) {
    return new Map();
  }
  const { rows } = await sql<{ readonly id: string }>`
    select packages.id from packages where profile = ${profile} and not exists (
      select 1 from packages as other
      where other.profile = packages.profile and other.cpv = packages.cpv
        and (other.build_time_seconds > packages.build_time_seconds
          or (other.build_time_seconds = packages.build_time_seconds
            and other.build_id > packages.build_id)))`.execute(queries);
  const used = new Map(rows.map(({ id }) => [id, first.id]));
  for (const { id: request } of open) {
    const named = await sql<{ readonly id: string }>`
      select package_id as id from request_packages where request_id = ${request}
      union select package_id as id from jobs where request_id = ${request} and package_id is not null`.execute(
      queries,
    );
    for (const { id } of named.rows) {
      used.set(id, request);
    }
  }
  return used;
}

/** Whether a snapshot that stays holds a package, by id. */
export async function packagesInBlocks(
  queries: Queries,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const chunk of chunksOf(ids)) {
    const rows = await queries
      .selectFrom('block_packages')
      .select('package_id')
      .distinct()
      .where('package_id', 'in', chunk)
      .execute();
    for (const row of rows) {
      found.add(row.package_id);
    }
  }
  return found;
}
