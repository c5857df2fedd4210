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
 * The BUILD_ID that a CPV gets next in a profile, from 1 on, above `floor`, the highest that is already on disk. It is
 * free until it is claimed.
 */
export async function nextBuildId(
  queries: Queries,
  wanted: { readonly profile: string; readonly cpv: string; readonly floor: number },
): Promise<number> {
  const last = await queries
    .selectFrom('build_ids')
    .select('last_build_id')
    .where('profile', '=', wanted.profile)
    .where('cpv', '=', wanted.cpv)
    .executeTakeFirst();
  return Math.max(wanted.floor, last?.last_build_id ?? 0) + 1;
}
