import type { Queries } from '../database/database.ts';
import { CHOICE } from './package-choice.ts';
import { chunksOf } from './package-store.ts';
import { type Build, newestOfEachSlot, slotKey } from './snapshot-contents.ts';

/** A package, and what stands for what it is. */
export interface PackageContent {
  readonly id: string;
  readonly cpv: string;
  /** Digest of its content; of a package that was not looked at since Rookery does that, its file. */
  readonly content: string;
}

/** The newest build of each of these CPVs, by CPV; those that the profile does not have are left out. */
export async function newestContents(
  queries: Queries,
  profile: string,
  cpvs: readonly string[],
): Promise<ReadonlyMap<string, PackageContent>> {
  const found = new Map<string, PackageContent>();
  for (const chunk of chunksOf([...new Set(cpvs)])) {
    const rows = await contents(queries)
      .where('packages.profile', '=', profile)
      .where('packages.cpv', 'in', chunk)
      .orderBy('packages.build_time_seconds')
      .orderBy('packages.build_id')
      .execute();
    for (const row of rows) {
      found.set(row.cpv, toContent(row));
    }
  }
  return found;
}

/** By package id. */
export async function contentsOf(
  queries: Queries,
  ids: readonly string[],
): Promise<ReadonlyMap<string, PackageContent>> {
  const found = new Map<string, PackageContent>();
  for (const chunk of chunksOf([...new Set(ids)])) {
    for (const row of await contents(queries).where('packages.id', 'in', chunk).execute()) {
      found.set(row.id, toContent(row));
    }
  }
  return found;
}

function contents(queries: Queries) {
  return queries
    .selectFrom('packages')
    .leftJoin('file_levels', 'file_levels.sha512', 'packages.sha512')
    .select(['packages.id', 'packages.cpv', 'packages.sha512', 'file_levels.content']);
}

function toContent(row: {
  readonly id: string;
  readonly cpv: string;
  readonly sha512: string;
  readonly content: string | null;
}): PackageContent {
  return { id: row.id, cpv: row.cpv, content: row.content ?? `file:${row.sha512}` };
}

/** Of each slot of these `category/pn` the newest version, by `category/pn:slot`. */
export async function newestOfNames(
  queries: Queries,
  profile: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, PackageContent>> {
  const wanted = new Set(names);
  const builds: Build[] = [];
  const pns = [...new Set([...wanted].map((name) => name.slice(name.indexOf('/') + 1)))];
  for (const chunk of chunksOf(pns)) {
    const rows = await queries
      .selectFrom('packages')
      .select([...CHOICE, 'build_time_seconds as buildTimeSeconds'])
      .where('profile', '=', profile)
      .where('pn', 'in', chunk)
      .execute();
    builds.push(...rows.filter(({ category, pn }) => wanted.has(`${category}/${pn}`)));
  }
  const newest = newestOfEachSlot(builds);
  const byId = await contentsOf(
    queries,
    newest.map(({ id }) => id),
  );
  return new Map(
    newest.flatMap((choice) => {
      const content = byId.get(choice.id);
      return content === undefined ? [] : [[slotKey(choice), content] as const];
    }),
  );
}
