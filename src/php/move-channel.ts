import type { PromotionPolicy } from '../gentoo/promotion-policy.ts';
import { AppError } from '../support/errors.ts';
import { changeIndex } from './change-index.ts';
import type { Deed } from './ledger.ts';
import { type PhpContext, withTrees } from './php-context.ts';
import type { IndexTree } from './php-index.ts';
import { type ProfileTrees, readProfile } from './read-trees.ts';

export interface PromoteTree {
  readonly profile: string;
  /** Of the profile, from the first that gets new trees to the last. */
  readonly channels: readonly string[];
  readonly channel: string;
  /** Undefined: what the channel before shows. */
  readonly tree: string | undefined;
  /** How many nodes have to have proven it, when there is a channel before. */
  readonly policy: Pick<PromotionPolicy, 'nodes' | 'checks' | 'withinMs'>;
  readonly force: boolean;
  readonly reason: string;
  readonly actor: string;
}

/**
 * Lets a channel show a tree. On a later channel it has to be what the channel before shows, and to have been reported as
 * active, with passed checks, by as many nodes of that one as the policy says; `force` passes over both, with a reason.
 *
 * Throws `unknown-php-tree`, `php-nothing-to-promote`, `php-promotion-not-proven`, `reason-required`.
 */
export async function promoteTree(
  context: PhpContext,
  request: PromoteTree,
): Promise<ProfileTrees> {
  const { profile, channel, channels, force, reason, actor } = request;
  expectReason(force, reason);
  return await withTrees(context, profile, async () => {
    const state = await readProfile(context.layout, profile);
    const from = channels[channels.indexOf(channel) - 1];
    const shown = state.contents.channels;
    const id = request.tree ?? (from === undefined ? undefined : shown[from]);
    if (id === undefined || shown[channel] === id) {
      throw nothing(request, id);
    }
    const tree = requireTree(state, id);
    const missing =
      from === undefined ? [] : await missingFor(context, request, { state, from, tree });
    if (missing.length > 0 && !force) {
      throw new AppError(
        'php-promotion-not-proven',
        `${id} cannot go on ${channel} of ${profile} yet: ${missing.join(' ')} With --force and a reason it can.`,
        { details: { missing } },
      );
    }
    return await show(context, state, {
      kind: 'promote',
      channel,
      tree: id,
      forced: missing,
      actor,
      reason,
    });
  });
}

export interface RollBackTree {
  readonly profile: string;
  readonly channel: string;
  /** Undefined: what the channel showed before. */
  readonly tree: string | undefined;
  readonly reason: string;
  readonly actor: string;
}

/**
 * Lets a channel show again what it showed before; a second time, what was before that. Throws `unknown-php-tree`,
 * `php-nothing-to-roll-back`, `reason-required`.
 */
export async function rollBackTree(
  context: PhpContext,
  { profile, channel, tree, reason, actor }: RollBackTree,
): Promise<ProfileTrees> {
  expectReason(true, reason);
  return await withTrees(context, profile, async () => {
    const state = await readProfile(context.layout, profile);
    const id = tree ?? rollbackTargetOf(state, channel);
    if (id === undefined || state.contents.channels[channel] === id) {
      throw new AppError(
        'php-nothing-to-roll-back',
        `There is no tree that ${channel} of ${profile} showed before and could show again.`,
      );
    }
    requireTree(state, id);
    return await show(context, state, {
      kind: 'rollback',
      channel,
      tree: id,
      forced: [],
      actor,
      reason,
    });
  });
}

/** What a rollback of a channel goes to: never to a tree that a rollback has left. */
export function rollbackTargetOf(
  { contents, ledger }: ProfileTrees,
  channel: string,
): string | undefined {
  const listed = new Set(contents.trees.map(({ id }) => id));
  const way: string[] = [];
  for (const { kind, tree } of ledger.deeds.filter((deed) => deed.channel === channel)) {
    if (kind === 'rollback') {
      while (way.length > 0 && way.at(-1) !== tree) {
        way.pop();
      }
    }
    if (tree !== null && way.at(-1) !== tree) {
      way.push(tree);
    }
  }
  const shown = contents.channels[channel];
  return way.findLast((id) => id !== shown && listed.has(id));
}

async function show(
  context: PhpContext,
  state: ProfileTrees,
  deed: Omit<Deed, 'serial' | 'at' | 'before'> & {
    readonly channel: string;
    readonly tree: string;
  },
): Promise<ProfileTrees> {
  const { channels, trees } = state.contents;
  return await changeIndex(
    context,
    state,
    { channels: { ...channels, [deed.channel]: deed.tree }, trees },
    { ...deed, before: channels[deed.channel] ?? null },
  );
}

/** What a promotion lacks, a sentence each. */
async function missingFor(
  { nodeTrees, clock }: PhpContext,
  { profile, policy }: PromoteTree,
  at: { readonly state: ProfileTrees; readonly from: string; readonly tree: IndexTree },
): Promise<string[]> {
  const { state, from, tree } = at;
  const missing: string[] = [];
  if (state.contents.channels[from] !== tree.id) {
    missing.push(`${from} shows ${state.contents.channels[from] ?? 'nothing'}.`);
  }
  const oldest = policy.withinMs === null ? 0 : clock.now() - policy.withinMs;
  const proven = (await nodeTrees(profile)).filter(
    (one) =>
      one.tree === tree.id &&
      one.manifest === tree.manifest &&
      one.channel === from &&
      one.state === 'active' &&
      one.failed.length === 0 &&
      policy.checks.every((check) => one.passed.includes(check)) &&
      one.reportedAt >= oldest,
  );
  if (proven.length < policy.nodes) {
    missing.push(
      `${proven.length} of ${policy.nodes} nodes on ${from} report it as active with passed checks.`,
    );
  }
  return missing;
}

export function requireTree({ profile, contents }: ProfileTrees, id: string): IndexTree {
  const tree = contents.trees.find((one) => one.id === id);
  if (tree === undefined) {
    throw new AppError(
      'unknown-php-tree',
      `The profile ${profile} has no PHP tree ${id.slice(0, 100)}.`,
    );
  }
  return tree;
}

export function expectReason(isNeeded: boolean, reason: string): void {
  if (isNeeded && reason.trim() === '') {
    throw new AppError('reason-required', 'This needs a reason, which stands in the journal.');
  }
}

function nothing({ profile, channel }: PromoteTree, id: string | undefined): AppError {
  return new AppError(
    'php-nothing-to-promote',
    id === undefined
      ? `Name the tree that ${channel} of ${profile} is to show: there is none on a channel before it.`
      : `${channel} of ${profile} shows ${id} already.`,
  );
}
