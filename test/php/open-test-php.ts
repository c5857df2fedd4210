import { join } from 'node:path';
import type { Journal } from '../../src/journal/journal.ts';
import { phpLayout } from '../../src/php/layout.ts';
import { TREE_LIMITS, type TreeLimits } from '../../src/php/limits.ts';
import type { NodeTrees } from '../../src/php/node-trees.ts';
import { createPhpTrees, type PhpTrees } from '../../src/php/php-trees.ts';
import type { Keyring } from '../../src/signing/keyring/keyring.ts';
import type { Clock } from '../../src/support/clock.ts';
import { Locks } from '../../src/support/locks.ts';
import { silentLog } from '../../src/support/log.ts';

/** The PHP trees of an installation below `folder`. */
export function openTestPhp(parts: {
  readonly folder: string;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly keyring: Pick<Keyring, 'signer'>;
  readonly limits?: TreeLimits;
  /** What nodes have reported. */
  readonly nodeTrees?: NodeTrees;
}): PhpTrees {
  const { folder, clock, journal, keyring, limits = TREE_LIMITS } = parts;
  const { nodeTrees = async () => [] } = parts;
  return createPhpTrees({
    layout: phpLayout({ state: join(folder, 'state'), mirrorRoot: join(folder, 'mirror-root') }),
    limits,
    nodeTrees,
    journal,
    locks: new Locks(),
    clock,
    log: silentLog(),
    signer: () => keyring.signer(),
  });
}
