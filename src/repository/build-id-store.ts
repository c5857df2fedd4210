import { sql } from 'kysely';
import type { Queries } from '../database/database.ts';

/** Whose BUILD_ID. It is above `floor`, the highest that is already on disk. */
export interface WantedBuildId {
  readonly profile: string;
  readonly cpv: string;
  readonly floor: number;
}

/** What `allocateBuildId` would give now. Nothing is taken. */
export async function nextBuildId(queries: Queries, wanted: WantedBuildId): Promise<number> {
  const last = await queries
    .selectFrom('build_ids')
    .select('last_build_id')
    .where('profile', '=', wanted.profile)
    .where('cpv', '=', wanted.cpv)
    .executeTakeFirst();
  return Math.max(wanted.floor, last?.last_build_id ?? 0) + 1;
}

/** The next BUILD_ID of a CPV in a profile, from 1 on, taken for good in one statement. */
export async function allocateBuildId(queries: Queries, wanted: WantedBuildId): Promise<number> {
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
