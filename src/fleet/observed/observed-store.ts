import * as z from 'zod';
import type { Queries } from '../../database/database.ts';
import type { InstalledPackage } from '../../repository/proof/node-report.ts';
import { installedByContent, reportContent } from '../../repository/proof/node-store.ts';
import { servicesOf, systemSchema } from '../../repository/proof/system-store.ts';
import type { ObservedNode, ResidentTree } from './observed-node.ts';

const COLUMNS = [
  'node',
  'profile',
  'channel',
  'serial',
  'reported_at',
  'differs',
  'installed_digest',
  'php_json',
  'system_json',
  'services_digest',
] as const;

const treesSchema = z.array(
  z.object({ id: z.string(), manifest: z.string(), state: z.string(), requires: z.string() }),
);

/**
 * What every node has said of itself, by name. A node that reports about several profiles is here with the one that
 * `profileOf` names, or with that of its newest report. What many nodes have in common is read, and is in memory, once.
 */
export async function observedNodes(
  queries: Queries,
  profileOf: (node: string) => string | undefined = () => undefined,
): Promise<ReadonlyMap<string, ObservedNode>> {
  const rows = await queries
    .selectFrom('node_reports')
    .select(COLUMNS)
    .orderBy('node')
    .orderBy('reported_at')
    .orderBy('profile')
    .execute();
  const chosen = new Map<string, (typeof rows)[number]>();
  for (const row of rows) {
    const before = chosen.get(row.node);
    if (before === undefined || before.profile !== profileOf(row.node)) {
      chosen.set(row.node, row);
    }
  }
  const digests = new Set([...chosen.values()].flatMap((row) => row.services_digest ?? []));
  const services = await servicesOf(queries, [...digests]);
  const treesIn = remembering((text) => readTrees(text));
  return new Map(
    [...chosen.values()].map((row) => [
      row.node,
      {
        node: row.node,
        reportedAt: row.reported_at,
        profile: row.profile,
        channel: row.channel,
        serial: row.serial,
        differs: row.differs,
        installedDigest: reportContent(row),
        php: row.php_json === null ? NO_TREES : treesIn(row.php_json),
        system:
          row.system_json === null
            ? null
            : {
                ...systemSchema.parse(JSON.parse(row.system_json)),
                services: services.get(row.services_digest ?? '') ?? [],
              },
      },
    ]),
  );
}

/** What nodes with these digests have installed, by digest. One that no node has any more is left out. */
export async function installedSets(
  queries: Queries,
  digests: Iterable<string>,
): Promise<ReadonlyMap<string, readonly InstalledPackage[]>> {
  const sets = new Map<string, readonly InstalledPackage[]>();
  for (const digest of new Set(digests)) {
    const installed = await installedByContent(queries, digest);
    if (installed !== undefined) {
      sets.set(digest, installed);
    }
  }
  return sets;
}

const NO_TREES: ObservedNode['php'] = { active: null, resident: [] };

export function readTrees(text: string): ObservedNode['php'] {
  const trees = treesSchema.parse(JSON.parse(text));
  const resident: ResidentTree[] = trees.map(({ id, manifest, requires }) => ({
    id,
    manifest,
    requires,
  }));
  return { active: trees.find(({ state }) => state === 'active')?.id ?? null, resident };
}

/** `make`, once for each text. */
function remembering<Value>(make: (text: string) => Value): (text: string) => Value {
  const known = new Map<string, Value>();
  return (text) => {
    const value = known.get(text) ?? make(text);
    known.set(text, value);
    return value;
  };
}
