import type { Database } from '../../src/database/database.ts';
import { inspectTree } from './inspect-tree.ts';
import type { Installation } from './open-installation.ts';

/** What has been acknowledged: packages by id, publications with their TIMESTAMP. */
export async function readAcknowledged(database: Database): Promise<string[]> {
  const packages = await database.selectFrom('packages').select('id').execute();
  const publications = await database
    .selectFrom('publications')
    .select(['channel', 'serial', 'timestamp_seconds'])
    .execute();
  return [
    ...packages.map(({ id }) => id),
    ...publications.map((row) => `${row.channel}-${row.serial} at ${row.timestamp_seconds}`),
  ];
}

/** Recovers as a start does; returns what is half-done or lost afterwards, a sentence each. */
export async function recoverAndCompare(
  installation: Installation,
  expected: {
    readonly acknowledged: readonly string[];
    /** What was stopped is itself a repair: the tree is whole again once it was repeated. */
    readonly repair?: () => Promise<unknown>;
  },
): Promise<string[]> {
  await installation.repository.recover();
  await expected.repair?.();
  const faults = await inspectTree(installation);
  const now = await readAcknowledged(installation.database);
  return [
    ...faults,
    ...expected.acknowledged.filter((one) => !now.includes(one)).map((one) => `lost ${one}`),
  ];
}
