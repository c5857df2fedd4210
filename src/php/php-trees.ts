import type { ImportTree } from './import-tree.ts';
import { importTree } from './import-tree.ts';
import type { Deed } from './ledger.ts';
import type { PhpContext } from './php-context.ts';
import { listedTrees, type PhpTree, readProfile } from './read-trees.ts';
import { recoverTrees } from './recover-trees.ts';

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
    overview: async (profile: string) => await overview(context, profile),
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
