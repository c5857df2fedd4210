import type { Queries } from '../../database/database.ts';

/** What the origin of a package that was signed again begins with. */
export const RESIGN_ORIGIN = 'resign:';

/** How a package that was signed again names the one it was made from. */
export function resignOrigin(id: string): string {
  return `${RESIGN_ORIGIN}${id}`;
}

/** The packages of a snapshot that another key has signed, in the order of an index. */
export async function signedByOthers(
  queries: Queries,
  snapshotId: string,
  fingerprint: string,
): Promise<string[]> {
  const rows = await queries
    .selectFrom('snapshot_blocks')
    .innerJoin('block_packages', 'block_packages.block_id', 'snapshot_blocks.block_id')
    .innerJoin('packages', 'packages.id', 'block_packages.package_id')
    .select('packages.id as id')
    .where('snapshot_id', '=', snapshotId)
    .where('key_fingerprint', '!=', fingerprint)
    .orderBy('snapshot_blocks.position')
    .orderBy('block_packages.position')
    .execute();
  return rows.map(({ id }) => id);
}

/** The BUILD_IDs that a package has got from each key that has signed it again. */
export async function resignedBuildIds(
  queries: Queries,
  { profile, cpv, id }: { readonly profile: string; readonly cpv: string; readonly id: string },
): Promise<number[]> {
  const rows = await queries
    .selectFrom('packages')
    .select('build_id as buildId')
    .where('profile', '=', profile)
    .where('cpv', '=', cpv)
    .where('origin', '=', resignOrigin(id))
    .orderBy('build_id')
    .execute();
  return rows.map(({ buildId }) => buildId);
}

/** What a package became when this key signed it again. */
export async function findResigned(
  queries: Queries,
  { profile, cpv, id }: { readonly profile: string; readonly cpv: string; readonly id: string },
  fingerprint: string,
): Promise<string | undefined> {
  const row = await queries
    .selectFrom('packages')
    .select('id')
    .where('profile', '=', profile)
    .where('cpv', '=', cpv)
    .where('origin', '=', resignOrigin(id))
    .where('key_fingerprint', '=', fingerprint)
    .executeTakeFirst();
  return row?.id;
}
