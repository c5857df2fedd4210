import type { Queries } from '../../database/database.ts';

/**
 * Takes from an older database what packages do not tell: BUILD_IDs that are used up, also of builds that are gone, what
 * nodes have reported and proven, what is pinned, what was collected, and what files ask of a processor.
 */
export async function carryOver(from: Queries, to: Queries): Promise<void> {
  for (const row of await from.selectFrom('build_ids').selectAll().execute()) {
    await to.insertInto('build_ids').values(row).execute();
  }
  for (const row of await from.selectFrom('node_reports').selectAll().execute()) {
    await to.insertInto('node_reports').values(row).execute();
  }
  for (const row of await from.selectFrom('publication_proofs').selectAll().execute()) {
    await to.insertInto('publication_proofs').values(row).execute();
  }
  for (const table of [
    'pins',
    'collected_publications',
    'collected_packages',
    'file_levels',
  ] as const) {
    for (const row of await from.selectFrom(table).selectAll().execute()) {
      await to.insertInto(table).values(row).execute();
    }
  }
}
