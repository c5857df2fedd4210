import type { Journal } from '../journal/journal.ts';
import type { AnySigner } from '../signing/signer.ts';
import type { Clock } from '../support/clock.ts';
import type { Locks } from '../support/locks.ts';
import type { Log } from '../support/log.ts';
import type { PhpLayout } from './layout.ts';
import type { TreeLimits } from './limits.ts';
import type { NodeTrees } from './node-trees.ts';

/** What the use cases of this room work with. */
export interface PhpContext {
  readonly layout: PhpLayout;
  readonly limits: TreeLimits;
  readonly journal: Journal;
  readonly locks: Locks;
  readonly clock: Clock;
  readonly log: Log;
  /** Which trees nodes have. */
  readonly nodeTrees: NodeTrees;
  /** The key that signs now. */
  readonly signer: () => AnySigner;
}

/** Changes of what is served of a profile run one after another. */
export async function withTrees<T>(
  { locks }: PhpContext,
  profile: string,
  work: () => Promise<T>,
): Promise<T> {
  return await locks.run(`php:${profile}`, work);
}

/** `2026-11-30T12:00:00Z` */
export function isoSeconds(clock: Clock): string {
  return `${new Date(clock.now()).toISOString().slice(0, 19)}Z`;
}
