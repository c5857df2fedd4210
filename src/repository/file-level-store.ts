import type { ImageLevel } from '../binpkg/elf/image-level.ts';
import type { Queries } from '../database/database.ts';
import { chunksOf } from './package-store.ts';

/** What the ELF files of a package ask of an x86 processor. */
export interface FileLevel {
  /** As in x86-64-v3; 0 when none says anything. */
  readonly level: number;
  /** The first file that asks for it; empty for level 0. */
  readonly path: string;
  /** Digest of what the package installs and says of itself (`ContentDigest`); null when it was not asked for. */
  readonly content: string | null;
}

export function toFileLevel({ level, files }: ImageLevel, content: string): FileLevel {
  return { level: level ?? 0, path: files[0] ?? '', content };
}

/** Keeps what was found in a file of the pool. It never changes, so it is the same for every package that is this file. */
export async function saveFileLevel(
  queries: Queries,
  sha512: string,
  { level, path, content }: FileLevel,
): Promise<void> {
  const values = { level, path, content };
  await queries
    .insertInto('file_levels')
    .values({ sha512, ...values })
    .onConflict((conflict) => conflict.column('sha512').doUpdateSet(values))
    .execute();
}

export async function forgetFileLevel(queries: Queries, sha512: string): Promise<void> {
  await queries.deleteFrom('file_levels').where('sha512', '=', sha512).execute();
}

export async function countFileLevels(queries: Queries): Promise<number> {
  const { count } = await queries
    .selectFrom('file_levels')
    .select((eb) => eb.fn.countAll().as('count'))
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** By package id; those whose file was not looked at since Rookery does that are left out. */
export async function levelsOf(
  queries: Queries,
  ids: readonly string[],
): Promise<ReadonlyMap<string, FileLevel>> {
  const levels = new Map<string, FileLevel>();
  for (const chunk of chunksOf(ids)) {
    const rows = await queries
      .selectFrom('packages')
      .innerJoin('file_levels', 'file_levels.sha512', 'packages.sha512')
      .select(['packages.id as id', 'file_levels.level as level', 'file_levels.path as path'])
      .select('file_levels.content as content')
      .where('packages.id', 'in', chunk)
      .execute();
    for (const { id, ...level } of rows) {
      levels.set(id, level);
    }
  }
  return levels;
}
