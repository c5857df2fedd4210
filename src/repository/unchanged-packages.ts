import { sql } from 'kysely';
import type { Queries } from '../database/database.ts';
import { chunksOf } from './package-store.ts';

/** A package that was built again, and the build of it that nodes have. */
export interface EarlierBuild {
  /** Of the new build. */
  readonly id: string;
  readonly cpv: string;
  /** Of the build that is shown. */
  readonly shownId: string;
  readonly shownBuildId: number;
}

/**
 * Those of the packages of which a snapshot shows another build with the same content: files, and what the metadata say
 * but for the build itself (`binpkg/content-digest.ts`). A file that is damaged has no content.
 */
export async function unchangedSince(
  queries: Queries,
  snapshotId: string,
  packageIds: readonly string[],
): Promise<EarlierBuild[]> {
  const found: EarlierBuild[] = [];
  for (const chunk of chunksOf(packageIds)) {
    const rows = await othersShown(queries, snapshotId, chunk)
      .innerJoin('file_levels as level', 'level.sha512', 'packages.sha512')
      .innerJoin('file_levels as shown_level', 'shown_level.sha512', 'shown.sha512')
      .leftJoin('file_checks', 'file_checks.sha512', 'shown.sha512')
      .select('file_checks.state')
      .whereRef('shown_level.content', '=', 'level.content')
      .execute();
    found.push(...rows.filter(({ state }) => state !== 'damaged').map(toEarlier));
  }
  return found;
}

/** Those of the packages of which a snapshot shows another build of the same version. */
export async function shownInstead(
  queries: Queries,
  snapshotId: string,
  packageIds: readonly string[],
): Promise<EarlierBuild[]> {
  const found: EarlierBuild[] = [];
  for (const chunk of chunksOf(packageIds)) {
    found.push(...(await othersShown(queries, snapshotId, chunk).execute()).map(toEarlier));
  }
  return found;
}

function toEarlier({ id, cpv, shownId, shownBuildId }: EarlierBuild): EarlierBuild {
  return { id, cpv, shownId, shownBuildId };
}

function othersShown(queries: Queries, snapshotId: string, packageIds: readonly string[]) {
  return queries
    .selectFrom('packages')
    .innerJoin('packages as shown', (join) =>
      join
        .onRef('shown.profile', '=', 'packages.profile')
        .onRef('shown.cpv', '=', 'packages.cpv')
        .onRef('shown.id', '!=', 'packages.id'),
    )
    .innerJoin('block_packages', 'block_packages.package_id', 'shown.id')
    .innerJoin('snapshot_blocks', 'snapshot_blocks.block_id', 'block_packages.block_id')
    .select([
      'packages.id',
      'packages.cpv',
      'shown.id as shownId',
      'shown.build_id as shownBuildId',
    ])
    .where('packages.id', 'in', packageIds)
    .where('snapshot_blocks.snapshot_id', '=', snapshotId)
    .orderBy('packages.cpv');
}

/**
 * The newest builds that a snapshot shows an earlier one of, because nothing has changed, each with the BUILD_ID of that. They
 * say what such a package is made from now; without them the next plan would want it built again.
 */
export async function standingBehind(
  queries: Queries,
  profile: string,
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql<{ readonly id: string; readonly shown: number }>`
    select packages.id, shown.build_id as shown from packages
      join file_levels as level on level.sha512 = packages.sha512
      join packages as shown on shown.profile = packages.profile and shown.cpv = packages.cpv
        and shown.id <> packages.id
      join file_levels as shown_level on shown_level.sha512 = shown.sha512
        and shown_level.content = level.content
    where packages.profile = ${profile}
      and exists (select 1 from block_packages where package_id = shown.id)
      and not exists (
        select 1 from packages as other
        where other.profile = packages.profile and other.cpv = packages.cpv
          and (other.build_time_seconds > packages.build_time_seconds
            or (other.build_time_seconds = packages.build_time_seconds
              and other.build_id > packages.build_id)))`.execute(queries);
  return new Map(rows.map(({ id, shown }) => [id, shown]));
}
