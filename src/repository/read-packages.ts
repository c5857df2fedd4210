import type { PackageRecord } from './package-record.ts';
import { searchPackages } from './package-store.ts';
import { newestPublication } from './publication-store.ts';
import type { PackageQuery } from './repository.ts';
import type { RepositoryContext } from './repository-context.ts';

/** See `Repository.searchPackages`. In the order of the CPVs as strings, newest BUILD_ID first. */
export async function readPackages(
  context: RepositoryContext,
  query: PackageQuery,
): Promise<{ readonly packages: PackageRecord[]; readonly total: number }> {
  const { profile, channel } = query;
  if (channel === undefined) {
    return await searchPackages(context.database, query);
  }
  const current = await newestPublication(context.database, { profile, channel });
  return current === undefined
    ? { packages: [], total: 0 }
    : await searchPackages(context.database, { ...query, snapshotId: current.snapshotId });
}
