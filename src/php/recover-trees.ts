import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isAppError } from '../support/errors.ts';
import { exists, namesIn, removeUnfinished, syncDirectory } from '../support/files.ts';
import { newId } from '../support/ids.ts';
import { changeIndex } from './change-index.ts';
import { INCOMING, LEAVING } from './layout.ts';
import { readLedger, writeLedger } from './ledger.ts';
import { type PhpContext, withTrees } from './php-context.ts';
import type { IndexTree } from './php-index.ts';
import { type ProfileTrees, readProfile, readTree, treesOnDisk } from './read-trees.ts';

/**
 * Finishes what a killed process began, of every profile: what was being received goes, what was taken out of INDEX goes
 * from the disk, and a tree that came to its place before INDEX named it is listed. An INDEX that is lost or damaged is
 * written anew of the trees on disk. With `othersRun`, nothing that another server may be at work on is touched.
 */
export async function recoverTrees(
  context: PhpContext,
  { othersRun }: { readonly othersRun: boolean },
): Promise<void> {
  for (const profile of await namesIn(context.layout.root)) {
    await withTrees(context, profile, async () => {
      if (!othersRun) {
        await clear(context, profile);
      }
      await finish(context, profile);
    });
  }
}

async function clear({ layout }: PhpContext, profile: string): Promise<void> {
  const folder = layout.profile(profile);
  await removeUnfinished(folder);
  await removeUnfinished(layout.ledgers);
  for (const name of await namesIn(folder)) {
    if (name.startsWith(INCOMING) || name.startsWith(LEAVING)) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}

async function finish(context: PhpContext, profile: string): Promise<void> {
  const state = await readOrNothing(context, profile);
  await removeFromDisk(context, state);
  const found = await unlisted(context, state);
  if (found.length === 0) {
    return;
  }
  const trees = [...state.contents.trees, ...found];
  const isLost = state.serial === 0;
  const channels = isLost ? channelsOf(state, trees) : state.contents.channels;
  const deed = {
    kind: 'recover' as const,
    channel: null,
    tree: null,
    before: null,
    forced: [],
    actor: 'server',
    reason: isLost ? 'INDEX.json was lost' : 'a server ended before it was listed',
  };
  await changeIndex(context, state, { channels, trees }, deed);
  context.log.info({ profile, trees: found.map(({ id }) => id) }, 'listed PHP trees in place');
}

/** Trees on disk that INDEX does not list. What it lists and is not there is only told. */
async function unlisted(
  { layout, log }: PhpContext,
  { profile, contents, ledger }: ProfileTrees,
): Promise<IndexTree[]> {
  const listed = new Set(contents.trees.map(({ id }) => id));
  const onDisk = await treesOnDisk(layout, profile);
  for (const id of listed) {
    if (!onDisk.includes(id)) {
      log.error({ profile, id }, 'a PHP tree that nodes may use is gone');
    }
  }
  const found: IndexTree[] = [];
  for (const id of onDisk.filter((one) => !listed.has(one) && !ledger.removed.includes(one))) {
    try {
      found.push((await readTree(layout, profile, id)).listing);
    } catch (error) {
      if (!isAppError(error)) {
        throw error;
      }
      log.error({ profile, id, error: error.message }, 'a folder of PHP trees is no tree');
    }
  }
  return found;
}

/** An INDEX that cannot be read counts as none. */
async function readOrNothing(context: PhpContext, profile: string): Promise<ProfileTrees> {
  try {
    return await readProfile(context.layout, profile);
  } catch (error) {
    if (!isAppError(error, 'php-index-invalid')) {
      throw error;
    }
    context.log.error({ profile, error: error.message }, 'an INDEX of PHP trees is made anew');
    const ledger = await readLedger(context.layout, profile, undefined);
    return { profile, serial: 0, contents: { channels: {}, trees: [] }, ledger };
  }
}

/** What each channel was made to show last, as far as that is still there. */
function channelsOf({ ledger }: ProfileTrees, trees: readonly IndexTree[]): Record<string, string> {
  const there = new Set(trees.map(({ id }) => id));
  return Object.fromEntries(
    ledger.deeds.flatMap(({ channel, tree }) =>
      channel !== null && tree !== null && there.has(tree) ? [[channel, tree] as const] : [],
    ),
  );
}

/** Removes from disk what was taken out of INDEX. Only within `withTrees`. */
export async function removeFromDisk(context: PhpContext, state: ProfileTrees): Promise<void> {
  const { layout } = context;
  const { profile, ledger } = state;
  if (ledger.removed.length === 0) {
    return;
  }
  const folder = layout.profile(profile);
  for (const id of ledger.removed) {
    const place = layout.tree(profile, id);
    if (await exists(place)) {
      const leaving = join(folder, `${LEAVING}${newId('php')}`);
      await rename(place, leaving);
      await syncDirectory(folder);
      await rm(leaving, { recursive: true, force: true });
    }
  }
  await writeLedger(layout, profile, { ...ledger, removed: [] });
}
