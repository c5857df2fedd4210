import { sonamesIn } from '../../gentoo/soname-list.ts';
import { listReports } from '../proof/node-store.ts';
import { type ChannelKey, newestPublication } from '../publication-store.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { choicesOfSnapshot } from '../snapshot-store.ts';
import { type Finding, findingOf } from './finding.ts';
import { gatePackages } from './gate-store.ts';
import { REPORTED_WITHIN_MS } from './reported-base.ts';

/** A PHP tree, and the sonames that it needs of the system, each with its category. */
export interface TreeNeeds {
  readonly tree: string;
  readonly requires: readonly string[];
}

interface Need {
  readonly tree: string;
  /** `<multilib category>: <soname>`. */
  readonly soname: string;
  /** How many nodes of the channel have the tree; 0 for one that they only may fetch. */
  readonly nodes: number;
}

/**
 * What PHP trees that the nodes of a channel have, or may fetch, need and its next publication would take away: sonames that
 * the publication before has and `notProvided` names. Portage does not know of trees, so nobody else would keep a library for them.
 */
export async function treeFindings(
  context: Pick<RepositoryContext, 'database' | 'clock' | 'consumers'>,
  channel: ChannelKey,
  notProvided: (sonames: readonly string[]) => readonly string[],
): Promise<Finding[]> {
  const needs = await needsOfTrees(context, channel);
  const lost = new Set(notProvided(needs.map(({ soname }) => soname)));
  if (lost.size === 0) {
    return [];
  }
  const providers = await providersBefore(context, channel, lost);
  return needs.flatMap(({ tree, soname, nodes }) => {
    const cpv = providers.get(soname);
    return cpv === undefined ? [] : [findingOfTree({ tree, soname, nodes }, cpv)];
  });
}

async function needsOfTrees(
  { database, clock, consumers }: Pick<RepositoryContext, 'database' | 'clock' | 'consumers'>,
  channel: ChannelKey,
): Promise<Need[]> {
  const since = clock.now() - REPORTED_WITHIN_MS;
  const reports = await listReports(database, channel);
  const needs = new Map<string, Need>();
  for (const { tree, requires } of await consumers(channel.profile)) {
    for (const soname of requires) {
      needs.set(`${tree} ${soname}`, { tree, soname, nodes: 0 });
    }
  }
  for (const { id: tree, requires } of reports
    .filter(({ reportedAt }) => reportedAt >= since)
    .flatMap(({ php }) => php ?? [])) {
    for (const soname of sonamesIn(requires)) {
      const key = `${tree} ${soname}`;
      needs.set(key, { tree, soname, nodes: (needs.get(key)?.nodes ?? 0) + 1 });
    }
  }
  return [...needs.values()];
}

/** The packages of the publication that the nodes have now, by those of these sonames that they provide. */
async function providersBefore(
  { database }: Pick<RepositoryContext, 'database'>,
  channel: ChannelKey,
  sonames: ReadonlySet<string>,
): Promise<ReadonlyMap<string, string>> {
  const providers = new Map<string, string>();
  const newest = await newestPublication(database, channel);
  const choices = newest === undefined ? [] : await choicesOfSnapshot(database, newest.snapshotId);
  const ids = choices.map(({ id }) => id);
  for await (const packages of gatePackages(database, ids)) {
    for (const { cpv, provides } of packages) {
      for (const soname of provides.filter((one) => sonames.has(one))) {
        providers.set(soname, cpv);
      }
    }
  }
  return providers;
}

function findingOfTree({ tree, soname, nodes }: Need, cpv: string): Finding {
  const [category = '', file = ''] = soname.split(': ');
  const some = ['nodes may fetch', 'a node has'][nodes] ?? `${nodes} nodes have`;
  return findingOf({
    kind: 'php-tree-broken',
    name: tree,
    what: soname,
    cpv,
    message: `The PHP tree ${tree}, which ${some}, needs the library ${file} (${category}); ${cpv} has it now, and nothing would.`,
    remedy:
      nodes === 0
        ? 'Keep that package, or remove the tree (rookery php remove).'
        : 'Keep that package, or remove the tree from the nodes (rookery-php prune) and let them report.',
  });
}
