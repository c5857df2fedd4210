import { compareTrees } from './compare-trees.ts';
import type { ImportTree } from './import-tree.ts';
import { importTree } from './import-tree.ts';
import type { Deed } from './ledger.ts';
import {
  type PromoteTree,
  promoteTree,
  type RollBackTree,
  requireTree,
  rollBackTree,
} from './move-channel.ts';
import type { PhpContext } from './php-context.ts';
import { listedTrees, type PhpTree, readProfile, readTree } from './read-trees.ts';
import { recoverTrees } from './recover-trees.ts';
import { type CollectTrees, collectTrees, type RemoveTree, removeTree } from './remove-trees.ts';
import { resealTrees } from './reseal-trees.ts';
import { reserveTree } from './revisions.ts';
import { treeConsumers } from './tree-consumers.ts';

/** What a profile's nodes may use, and how that came about. */
export interface ProfileOverview {
  readonly profile: string;
  /** Of INDEX; 0 before the first tree. */
  readonly serial: number;
  /** Channel to the id of the tree that it shows. */
  readonly channels: Readonly<Record<string, string>>;
  /** Oldest version first. */
  readonly trees: readonly PhpTree[];
  /** Newest first. */
  readonly deeds: readonly Deed[];
}

/** What the other rooms may ask about PHP trees. */
export type PhpTrees = ReturnType<typeof createPhpTrees>;

export function createPhpTrees(context: PhpContext) {
  return {
    /** See `importTree`. */
    importTree: async (request: ImportTree) => await importTree(context, request),
    /** See `reserveTree`. */
    reserve: async (profile: string, version: string) =>
      await reserveTree(context, profile, version),
    /** Whether nodes of the profile may use a tree. */
    isListed: async (profile: string, id: string) =>
      (await readProfile(context.layout, profile)).contents.trees.some((tree) => tree.id === id),
    overview: async (profile: string) => await overview(context, profile),
    /** Throws `unknown-php-tree`, `php-tree-damaged`. */
    tree: async (profile: string, id: string) => {
      const state = await readProfile(context.layout, profile);
      return await readTree(context.layout, profile, requireTree(state, id).id);
    },
    /** See `promoteTree`. */
    promote: async (request: PromoteTree) => {
      await promoteTree(context, request);
    },
    /** See `rollBackTree`. */
    rollback: async (request: RollBackTree) => {
      await rollBackTree(context, request);
    },
    /** See `removeTree`. */
    remove: async (request: RemoveTree) => {
      await removeTree(context, request);
    },
    /** See `collectTrees`. */
    collect: async (request: CollectTrees) => await collectTrees(context, request),
    /** Which trees of a profile nodes have. */
    onNodes: async (profile: string) => await context.nodeTrees(profile),
    /** See `treeConsumers`. */
    consumers: async (profile: string) => await treeConsumers(context, profile),
    /** See `compareTrees`. */
    compare: async (profile: string, ids: { readonly from: string; readonly to: string }) =>
      await compareTrees(context, profile, ids),
    /** See `resealTrees`. */
    reseal: async () => await resealTrees(context),
    /** See `recoverTrees`. */
    recover: async (options: { readonly othersRun: boolean }) => {
      await recoverTrees(context, options);
    },
  };
}

async function overview({ layout }: PhpContext, profile: string): Promise<ProfileOverview> {
  const state = await readProfile(layout, profile);
  return {
    profile,
    serial: state.serial,
    channels: state.contents.channels,
    trees: await listedTrees(layout, state),
    deeds: state.ledger.deeds.toReversed(),
  };
}
