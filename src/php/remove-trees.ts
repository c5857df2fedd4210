import type { RetentionPolicy } from '../gentoo/retention-policy.ts';
import { AppError } from '../support/errors.ts';
import { changeIndex } from './change-index.ts';
import { expectReason, requireTree, rollbackTargetOf } from './move-channel.ts';
import { type PhpContext, withTrees } from './php-context.ts';
import { listedTrees, type PhpTree, type ProfileTrees, readProfile } from './read-trees.ts';
import { removeFromDisk } from './recover-trees.ts';

export interface RemoveTree {
  readonly profile: string;
  readonly tree: string;
  /** Also while a node has it. */
  readonly force: boolean;
  readonly reason: string;
  readonly actor: string;
}

/**
 * Takes a tree out of INDEX, then from the disk; its id is never given again. Nodes that have it refuse it from then on.
 *
 * Throws `unknown-php-tree`, `php-tree-in-use` while a channel shows it, or a node has it and nothing is forced,
 * `reason-required`.
 */
export async function removeTree(
  context: PhpContext,
  { profile, tree: id, force, reason, actor }: RemoveTree,
): Promise<ProfileTrees> {
  expectReason(true, reason);
  return await withTrees(context, profile, async () => {
    const state = await readProfile(context.layout, profile);
    requireTree(state, id);
    const { channels } = state.contents;
    const showing = Object.keys(channels).filter((channel) => channels[channel] === id);
    const nodes = await nodesWith(context, profile, id);
    if (showing.length > 0 || (nodes.length > 0 && !force)) {
      const who = [...showing.map((channel) => `the channel ${channel}`), ...nodes];
      throw new AppError(
        'php-tree-in-use',
        `${id} cannot be removed: ${who.slice(0, 10).join(', ')} ${who.length === 1 ? 'has' : 'have'} it.`,
        { details: { channels: showing, nodes } },
      );
    }
    const forced = nodes.map((node) => `${node} has it.`);
    return await leave(context, state, [id], { kind: 'remove', tree: id, forced, reason, actor });
  });
}

async function nodesWith(
  { nodeTrees }: PhpContext,
  profile: string,
  id: string,
): Promise<string[]> {
  const trees = await nodeTrees(profile);
  return trees.filter(({ tree }) => tree === id).map(({ node }) => node);
}

/** What keeps a tree; empty when nothing does. */
export interface KeptTree {
  readonly id: string;
  readonly bytes: number;
  readonly keep: readonly string[];
}

export interface CollectTrees {
  readonly profile: string;
  readonly policy: Pick<RetentionPolicy, 'keepLast' | 'graceMs' | 'reportedWithinMs'>;
  readonly dryRun: boolean;
  readonly actor: string;
}

/**
 * Removes the trees that nothing keeps: no channel shows them or would by a rollback, no node has reported them lately, they are not
 * among the newest, and not young. Gives every tree that there was, with what keeps it.
 */
export async function collectTrees(
  context: PhpContext,
  { profile, policy, dryRun, actor }: CollectTrees,
): Promise<KeptTree[]> {
  return await withTrees(context, profile, async () => {
    const state = await readProfile(context.layout, profile);
    const trees = await listedTrees(context.layout, state);
    const reported = await reportedLately(context, profile, policy.reportedWithinMs);
    const newest = new Set(
      byAge(trees)
        .slice(0, policy.keepLast)
        .map(({ id }) => id),
    );
    const youngest = context.clock.now() - policy.graceMs;
    const kept = trees.map((tree) => ({
      id: tree.id,
      bytes: tree.listing.bytes,
      keep: [
        ...channelsThatKeep(state, tree.id),
        ...(reported.has(tree.id) ? ['a node has it'] : []),
        ...(newest.has(tree.id) ? [`one of the last ${policy.keepLast}`] : []),
        ...(madeAt(tree) > youngest ? ['it is young'] : []),
      ],
    }));
    const going = kept.filter(({ keep }) => keep.length === 0).map(({ id }) => id);
    if (going.length > 0 && !dryRun) {
      const tree = going.length === 1 ? (going[0] ?? null) : null;
      const reason = going.join(' ');
      await leave(context, state, going, { kind: 'collect', tree, forced: [], reason, actor });
    }
    return kept;
  });
}

async function reportedLately(
  { nodeTrees, clock }: PhpContext,
  profile: string,
  withinMs: number,
): Promise<ReadonlySet<string>> {
  const trees = await nodeTrees(profile);
  const lately = trees.filter(({ reportedAt }) => reportedAt >= clock.now() - withinMs);
  return new Set(lately.map(({ tree }) => tree));
}

function channelsThatKeep(state: ProfileTrees, id: string): string[] {
  return Object.entries(state.contents.channels).flatMap(([channel, shown]) => {
    if (shown === id) {
      return [`${channel} shows it`];
    }
    return rollbackTargetOf(state, channel) === id ? [`a rollback of ${channel} goes to it`] : [];
  });
}

function madeAt({ meta }: PhpTree): number {
  return Date.parse(meta.build.when);
}

function byAge(trees: readonly PhpTree[]): PhpTree[] {
  return trees.toSorted((a, b) => madeAt(b) - madeAt(a) || b.revision - a.revision);
}

async function leave(
  context: PhpContext,
  state: ProfileTrees,
  ids: readonly string[],
  deed: Omit<Parameters<typeof changeIndex>[3], 'channel' | 'before'>,
): Promise<ProfileTrees> {
  const { channels, trees } = state.contents;
  const contents = { channels, trees: trees.filter(({ id }) => !ids.includes(id)) };
  const now = await changeIndex(context, state, contents, { ...deed, channel: null, before: null });
  await removeFromDisk(context, now);
  return now;
}
