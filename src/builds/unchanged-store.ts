import type { Queries } from '../database/database.ts';
import type { JobRow } from '../database/tables.ts';
import { chunksOf } from '../repository/package-store.ts';

/** A ready job that need not be done: a package of the same inputs is there. */
export async function endAsUnchanged(
  queries: Queries,
  jobId: string,
  end: { readonly packageId: string; readonly now: number },
): Promise<JobRow> {
  return await queries
    .updateTable('jobs')
    .set({ state: 'succeeded', package_id: end.packageId, finished_at: end.now })
    .where('id', '=', jobId)
    .where('state', '=', 'ready')
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function setFullInputs(
  queries: Queries,
  jobId: string,
  inputs: string,
): Promise<void> {
  await queries.updateTable('jobs').set({ full_inputs: inputs }).where('id', '=', jobId).execute();
}

/** Job -> its package, of those that have one. */
export async function packagesOfJobs(
  queries: Queries,
  jobIds: readonly string[],
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const ids of chunksOf([...new Set(jobIds)])) {
    const rows = await queries
      .selectFrom('jobs')
      .select(['id', 'package_id'])
      .where('id', 'in', ids)
      .execute();
    for (const { id, package_id: packageId } of rows) {
      if (packageId !== null) {
        found.set(id, packageId);
      }
    }
  }
  return found;
}
