import type { Queries } from '../../database/database.ts';
import type { ChannelKey } from '../publication-store.ts';

/** What a check needs of a package. */
export interface PlacedPackage {
  readonly id: string;
  readonly profile: string;
  readonly path: string;
  readonly cpv: string;
  readonly size: number;
  readonly md5: string;
  readonly sha1: string;
  readonly sha512: string;
  readonly mtimeSeconds: number;
}

const PLACED = [
  'id',
  'profile',
  'path',
  'cpv',
  'size',
  'md5',
  'sha1',
  'sha512',
  'mtime_seconds as mtimeSeconds',
] as const;

export interface PlacedPublication extends ChannelKey {
  readonly serial: number;
  readonly snapshotId: string;
  readonly timestampSeconds: number;
}

/** Packages in the order of their ids, from behind `after` on. */
export async function packagesAfter(
  queries: Queries,
  after: string,
  limit: number,
): Promise<PlacedPackage[]> {
  return await queries
    .selectFrom('packages')
    .select(PLACED)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Every package that is this file: in one profile, or in several. */
export async function packagesOfFile(queries: Queries, sha512: string): Promise<PlacedPackage[]> {
  return await queries
    .selectFrom('packages')
    .select(PLACED)
    .where('sha512', '=', sha512)
    .orderBy('profile')
    .execute();
}

export async function countPackages(queries: Queries): Promise<number> {
  const { total } = await queries
    .selectFrom('packages')
    .select((select) => select.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  return total;
}

/** Every publication; those of one snapshot behind one another. */
export async function allPublications(queries: Queries): Promise<PlacedPublication[]> {
  return await queries
    .selectFrom('publications')
    .select([
      'profile',
      'channel',
      'serial',
      'snapshot_id as snapshotId',
      'timestamp_seconds as timestampSeconds',
    ])
    .orderBy('snapshot_id')
    .orderBy('profile')
    .orderBy('channel')
    .orderBy('serial')
    .execute();
}

/** Those of the paths that packages of the profile have. */
export async function knownPaths(
  queries: Queries,
  profile: string,
  paths: readonly string[],
): Promise<Set<string>> {
  const rows = await queries
    .selectFrom('packages')
    .select('path')
    .where('profile', '=', profile)
    .where('path', 'in', paths)
    .execute();
  return new Set(rows.map(({ path }) => path));
}

/** Those of the digests that packages have. */
export async function knownDigests(
  queries: Queries,
  digests: readonly string[],
): Promise<Set<string>> {
  const rows = await queries
    .selectFrom('packages')
    .select('sha512')
    .where('sha512', 'in', digests)
    .execute();
  return new Set(rows.map(({ sha512 }) => sha512));
}
