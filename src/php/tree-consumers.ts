import { sonamesIn } from '../gentoo/soname-list.ts';
import type { PhpContext } from './php-context.ts';
import { listedTrees, readProfile } from './read-trees.ts';

/** A tree, and the sonames that it needs of the system, each with its category: `x86_64: libssl.so.3`. */
export interface TreeConsumer {
  readonly tree: string;
  readonly requires: readonly string[];
}

/** Every tree that nodes of a profile may fetch, whether one has it or not. */
export async function treeConsumers(
  { layout }: PhpContext,
  profile: string,
): Promise<TreeConsumer[]> {
  const listed = await listedTrees(layout, await readProfile(layout, profile));
  return listed.map(({ id, meta }) => ({ tree: id, requires: sonamesIn(meta.requires) }));
}
