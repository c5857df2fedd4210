import { setImmediate } from 'node:timers/promises';
import type { Queries } from '../../database/database.ts';
import { CHOICE, type PackageChoice } from '../package-choice.ts';
import { type Build, mainSlot, newestOfEachSlot } from '../snapshot-contents.ts';

/**
 * Of each category/pn:slot of a profile the newest version, kept up to date with every package that is inserted, so
 * that a publication of everything asks only for what has changed. It follows from the packages alone: a count that
 * does not fit, after packages were removed for instance, has it made anew.
 */

/** Packages looked at before other work gets its turn: some two milliseconds. */
const SLICE = 400;

type Name = Pick<PackageChoice, 'category' | 'pn'>;

/** The snapshot that was last made of all that is newest, and what it was made from. */
export interface NewestView {
  readonly snapshotId: string | undefined;
  /** Of the changes that are in it. */
  readonly revision: number;
}

export interface NewestPackage extends PackageChoice {
  readonly revision: number;
}

/** A package of this name was inserted. Call it within the same transaction. */
export async function notePackage(
  queries: Queries,
  { profile, ...name }: Name & { readonly profile: string },
): Promise<void> {
  const noted = await queries
    .updateTable('newest_views')
    .set((row) => ({ package_count: row('package_count', '+', 1) }))
    .where('profile', '=', profile)
    .returning('profile')
    .executeTakeFirst();
  if (noted === undefined) {
    return;
  }
  const builds = await selectBuilds(queries, profile)
    .where('pn', '=', name.pn)
    .where('category', '=', name.category)
    .execute();
  await saveNewest(queries, profile, newestOfEachSlot(builds));
}

/** Makes sure that the rows of a profile are complete. Call it within a transaction. */
export async function ensureNewest(queries: Queries, profile: string): Promise<NewestView> {
  const view = await queries
    .selectFrom('newest_views')
    .leftJoin('snapshots', 'snapshots.id', 'newest_views.snapshot_id')
    .select(['newest_views.package_count', 'snapshots.id as snapshotId', 'snapshot_revision'])
    .where('newest_views.profile', '=', profile)
    .executeTakeFirst();
  const { count } = await queries
    .selectFrom('packages')
    .select((select) => select.fn.countAll<number>().as('count'))
    .where('profile', '=', profile)
    .executeTakeFirstOrThrow();
  if (view?.package_count === count) {
    return view.snapshotId === null
      ? { snapshotId: undefined, revision: 0 }
      : { snapshotId: view.snapshotId, revision: view.snapshot_revision };
  }
  await makeAnew(queries, profile, count);
  return { snapshotId: undefined, revision: 0 };
}

/** What has become the newest of its slot since that revision. */
export async function newestSince(
  queries: Queries,
  profile: string,
  revision: number,
): Promise<NewestPackage[]> {
  return await queries
    .selectFrom('newest_packages')
    .innerJoin('packages', 'packages.id', 'newest_packages.package_id')
    .select([...CHOICE, 'revision'])
    .where('newest_packages.profile', '=', profile)
    .where('revision', '>', revision)
    .execute();
}

/** This snapshot was made of all changes up to that revision. */
export async function saveView(
  queries: Queries,
  profile: string,
  { snapshotId, revision }: NewestView,
): Promise<void> {
  await queries
    .updateTable('newest_views')
    .set({ snapshot_id: snapshotId ?? null, snapshot_revision: revision })
    .where('profile', '=', profile)
    .execute();
}

async function makeAnew(queries: Queries, profile: string, count: number): Promise<void> {
  await queries.deleteFrom('newest_packages').where('profile', '=', profile).execute();
  await queries.deleteFrom('newest_views').where('profile', '=', profile).execute();
  await queries
    .insertInto('newest_views')
    .values({ profile, package_count: count, snapshot_id: null, snapshot_revision: 0 })
    .execute();
  for (let after = ''; ; ) {
    const builds = await buildsBehind(queries, profile, after);
    if (builds.length === 0) {
      return;
    }
    await saveNewest(queries, profile, newestOfEachSlot(builds));
    after = builds.at(-1)?.pn ?? '';
    await setImmediate();
  }
}

/** All builds of the next names. */
async function buildsBehind(queries: Queries, profile: string, after: string): Promise<Build[]> {
  const some = await selectBuilds(queries, profile)
    .where('pn', '>', after)
    .orderBy('pn')
    .limit(SLICE)
    .execute();
  const last = some.at(-1)?.pn;
  return last === undefined || some.length < SLICE
    ? some
    : [
        ...some.filter(({ pn }) => pn !== last),
        ...(await selectBuilds(queries, profile).where('pn', '=', last).execute()),
      ];
}

function selectBuilds(queries: Queries, profile: string) {
  return queries
    .selectFrom('packages')
    .select([...CHOICE, 'build_time_seconds as buildTimeSeconds'])
    .where('profile', '=', profile);
}

/** Writes those that are not there already, all with one new revision. */
async function saveNewest(
  queries: Queries,
  profile: string,
  newest: readonly PackageChoice[],
): Promise<void> {
  const { last } = await queries
    .selectFrom('newest_packages')
    .select((select) => select.fn.max('revision').as('last'))
    .where('profile', '=', profile)
    .executeTakeFirstOrThrow();
  await queries
    .insertInto('newest_packages')
    .values(
      newest.map((choice) => ({
        profile,
        category: choice.category,
        pn: choice.pn,
        slot: mainSlot(choice),
        package_id: choice.id,
        revision: (last ?? 0) + 1,
      })),
    )
    .onConflict((conflict) =>
      conflict
        .columns(['profile', 'category', 'pn', 'slot'])
        .doUpdateSet((row) => ({
          package_id: row.ref('excluded.package_id'),
          revision: row.ref('excluded.revision'),
        }))
        .whereRef('newest_packages.package_id', '!=', 'excluded.package_id'),
    )
    .execute();
}
