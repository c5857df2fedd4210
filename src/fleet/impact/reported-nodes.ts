import { z } from 'zod';
import type { Queries } from '../../database/database.ts';
import { listReports, reportKeys } from '../../repository/proof/node-store.ts';
import type { ObservedNode } from '../observed/observed-node.ts';

/** What nodes have said of packages and PHP trees. */
export async function observedNodes(queries: Queries): Promise<ObservedNode[]> {
  const records = await listReports(queries);
  const digests = new Map<string, string>();
  for (const profile of new Set(records.map((record) => record.profile))) {
    for (const { node, content } of await reportKeys(queries, profile, 0)) {
      digests.set(`${profile} ${node}`, content);
    }
  }
  return records.map(({ node, reportedAt, profile, channel, serial, differs, php }) => ({
    node,
    reportedAt,
    profile,
    channel,
    serial,
    differs,
    installedDigest: z.string().parse(digests.get(`${profile} ${node}`)),
    php: {
      active: php?.find(({ state }) => state === 'active')?.id ?? null,
      resident: (php ?? []).map(({ id, manifest, requires }) => ({ id, manifest, requires })),
    },
    system: null,
  }));
}
