import { sql } from 'kysely';
import type { Queries } from '../../database/database.ts';
import { chunksOf } from '../package-store.ts';

export interface FileCheck {
  readonly sha512: string;
  /** Milliseconds since the epoch. */
  readonly checkedAt: number;
  readonly state: 'good' | 'damaged';
  readonly reason: string | null;
}

/** Keeps what was found of a file of the pool, in place of what was known of it. */
export async function saveFileCheck(queries: Queries, check: FileCheck): Promise<void> {
  const values = { checked_at: check.checkedAt, state: check.state, reason: check.reason };
  await queries
    .insertInto('file_checks')
    .values({ sha512: check.sha512, ...values })
    .onConflict((conflict) => conflict.column('sha512').doUpdateSet(values))
    .execute();
}

export async function findFileCheck(
  queries: Queries,
  sha512: string,
): Promise<FileCheck | undefined> {
  const row = await queries
    .selectFrom('file_checks')
    .selectAll()
    .where('sha512', '=', sha512)
    .executeTakeFirst();
  return row === undefined
    ? undefined
    : { sha512, checkedAt: row.checked_at, state: row.state, reason: row.reason };
}

/** Digests of all damaged files. */
export async function damagedDigests(queries: Queries): Promise<Set<string>> {
  const rows = await queries
    .selectFrom('file_checks')
    .select('sha512')
    .where('state', '=', 'damaged')
    .execute();
  return new Set(rows.map(({ sha512 }) => sha512));
}

/** A package whose bytes are not there, or not what was signed. */
export interface DamagedPackage {
  readonly id: string;
  readonly cpv: string;
  readonly path: string;
  readonly reason: string;
  readonly since: number;
}

/** Those of a profile, by path. Nothing of them can be installed, so nothing that needs one may be published. */
export async function damagedPackages(
  queries: Queries,
  profile: string,
): Promise<DamagedPackage[]> {
  const found: DamagedPackage[] = [];
  // One statement for both tables goes through all packages of the profile first.
  for (const digests of chunksOf([...(await damagedDigests(queries))])) {
    const rows = await queries
      .selectFrom('packages')
      .innerJoin('file_checks', 'file_checks.sha512', 'packages.sha512')
      .select([
        'packages.id as id',
        'packages.profile as profile',
        'packages.cpv as cpv',
        'packages.path as path',
        'file_checks.reason as reason',
        'file_checks.checked_at as since',
      ])
      .where('packages.sha512', 'in', digests)
      .execute();
    for (const { profile: owner, reason, ...row } of rows) {
      if (owner === profile) {
        found.push({ ...row, reason: reason ?? '' });
      }
    }
  }
  return found.toSorted((a, b) => Number(a.path > b.path) - Number(a.path < b.path));
}

/** One file of the pool, whatever number of packages it is. */
export interface StoredFile {
  readonly sha512: string;
  readonly size: number;
  /** When its bytes were last found good; null when never. */
  readonly goodAt: number | null;
}

/**
 * Files of the pool in the order of their digests, from behind `after` on, that were not found good since then, or of
 * which it is not known yet what processor they need. Damaged ones are left out.
 */
export async function filesToRead(
  queries: Queries,
  wanted: { readonly after: string; readonly goodBefore: number; readonly limit: number },
): Promise<StoredFile[]> {
  return await unread(queries, wanted.goodBefore)
    .select([
      'packages.sha512 as sha512',
      'packages.size as size',
      'file_checks.checked_at as goodAt',
    ])
    .distinct()
    .where('packages.sha512', '>', wanted.after)
    .orderBy('packages.sha512')
    .limit(wanted.limit)
    .execute();
}

/** How much `filesToRead` gives from the start, at most: a file of several packages counts for each. */
export async function amountToRead(
  queries: Queries,
  goodBefore: number,
): Promise<{ readonly files: number; readonly bytes: number }> {
  const { files, bytes } = await unread(queries, goodBefore)
    .select([
      sql<number>`count(distinct packages.sha512)`.as('files'),
      sql<number | null>`sum(packages.size)`.as('bytes'),
    ])
    .executeTakeFirstOrThrow();
  return { files, bytes: bytes ?? 0 };
}

function unread(queries: Queries, goodBefore: number) {
  return queries
    .selectFrom('packages')
    .leftJoin('file_checks', 'file_checks.sha512', 'packages.sha512')
    .leftJoin('file_levels', 'file_levels.sha512', 'packages.sha512')
    .where((either) =>
      either.or([
        either('file_checks.sha512', 'is', null),
        either.and([
          either('file_checks.state', '=', 'good'),
          either.or([
            either('file_checks.checked_at', '<', goodBefore),
            either('file_levels.sha512', 'is', null),
          ]),
        ]),
      ]),
    );
}
