import { sql } from 'kysely';
import type { Queries } from '../database/database.ts';
import type { PackageRecord } from './package-record.ts';

/** Takes the BUILD_IDs of these packages for good: what is allocated later lies above them. */
export async function raiseBuildIds(
  queries: Queries,
  packages: readonly Pick<PackageRecord, 'profile' | 'cpv' | 'buildId'>[],
): Promise<void> {
  for (const taken of packages) {
    await claimBuildId(queries, taken);
  }
}

/** Takes this BUILD_ID for good, in one statement, if it is above all that were taken. Returns whether it was. */
export async function claimBuildId(
  queries: Queries,
  { profile, cpv, buildId }: Pick<PackageRecord, 'profile' | 'cpv' | 'buildId'>,
): Promise<boolean> {
  const claimed = await queries
    .insertInto('build_ids')
    .values({ profile, cpv, last_build_id: buildId })
    .onConflict((conflict) =>
      conflict
        .columns(['profile', 'cpv'])
        .doUpdateSet({ last_build_id: buildId })
        .where('build_ids.last_build_id', '<', buildId),
    )
    .returning('last_build_id')
    .executeTakeFirst();
  return claimed !== undefined;
}

/**
 * The next BUILD_ID of a CPV in a profile, from 1 on, taken for good in one statement. It is above `floor`, the
 * highest that is already on disk.
 */
export async function allocateBuildId(
  queries: Queries,
  wanted: { readonly profile: string; readonly cpv: string; readonly floor: number },
): Promise<number> {
  const { last_build_id } = await queries
    .insertInto('build_ids')
    .values({ profile: wanted.profile, cpv: wanted.cpv, last_build_id: wanted.floor + 1 })
    .onConflict((conflict) =>
      conflict.columns(['profile', 'cpv']).doUpdateSet({
        last_build_id: sql<number>`case when build_ids.last_build_id >= excluded.last_build_id
          then build_ids.last_build_id + 1 else excluded.last_build_id end`,
      }),
    )
    .returning('last_build_id')
    .executeTakeFirstOrThrow();
  return last_build_id;
}
