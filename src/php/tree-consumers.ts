import { sonamesIn } from '../gentoo/soname-list.ts';
import type { PhpContext } from './php-context.ts';
import { listedTrees, readProfile } from './read-trees.ts';

/** Reports that are older than this say nothing about today's nodes. */
const REPORTED_WITHIN_MS = 30 * 24 * 3_600_000;

/** A tree that needs libraries of the system, wherever it is. */
export interface TreeConsumer {
  /** The id of the tree. */
  readonly name: string;
  /** Sonames with their category: `x86_64: libssl.so.3`. */
  readonly requires: readonly string[];
  /** Nodes that have it. */
  readonly nodes: readonly string[];
}

/**
 * Every tree that nodes of a profile may fetch, or have, also when it is listed no more: an update of the system that takes
 * a library from one of them breaks a PHP that may not even be active.
 */
export async function treeConsumers(
  { layout, nodeTrees, clock }: PhpContext,
  profile: string,
): Promise<TreeConsumer[]> {
  const listed = await listedTrees(layout, await readProfile(layout, profile));
  const since = clock.now() - REPORTED_WITHIN_MS;
  const onNodes = (await nodeTrees(profile)).filter(({ reportedAt }) => reportedAt >= since);
  const needs = new Map<string, Set<string>>();
  for (const { id, meta } of listed) {
    needs.set(id, new Set(sonamesIn(meta.requires)));
  }
  for (const { tree, requires } of onNodes) {
    const known = needs.get(tree) ?? new Set();
    needs.set(tree, new Set([...known, ...sonamesIn(requires)]));
  }
  return [...needs].map(([name, requires]) => ({
    name,
    requires: [...requires],
    nodes: onNodes.filter(({ tree }) => tree === name).map(({ node }) => node),
  }));
}
