import type { Queries } from '../../../src/database/database.ts';
import { replaceReport } from '../../../src/repository/proof/node-store.ts';

/** What a node of the profile `zen3` says of itself, as far as a test has it say that. */
export interface Said {
  /** Null: the program of the node is too old to say it. */
  readonly release?: string | null;
  /** Its PHP tree, which is active. */
  readonly tree?: string;
  /** What the tree needs, and what installed packages provide. */
  readonly needs?: string;
  readonly provides?: string;
}

/** Takes a report in, as of this moment. */
export async function sayOf(
  queries: Queries,
  node: string,
  at: number,
  { release, tree, needs = '', provides = '' }: Said,
): Promise<void> {
  const kernel = { running: '6.6.1', installed: ['6.6.1'] };
  const system = { releases: [], kernel, bootId: 'b', cpuFlags: [], isPartial: false };
  const about = { profile: 'zen3', manifest: 'm', verifiedAt: null, requires: needs };
  const packages = { slot: '0', buildId: 1, buildTime: 1, repository: 'lab', use: '' };
  await replaceReport(
    queries,
    {
      node,
      profile: 'zen3',
      channel: 'stable',
      timestampSeconds: null,
      serial: null,
      reportedAt: at,
      installedCount: 1,
      checks: [],
      differs: 0,
      differences: [],
      php: tree === undefined ? [] : [{ id: tree, state: 'active' as const, ...about }],
      system: release === undefined ? null : { release, ...system },
    },
    [{ cpv: 'dev-libs/openssl-3', ...packages, provides }],
  );
}
