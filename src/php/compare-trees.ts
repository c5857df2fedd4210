import { sonamesIn } from '../gentoo/soname-list.ts';
import { compareManifests, type ManifestDifference, META, sizeOf } from './manifest.ts';
import { requireTree } from './move-channel.ts';
import type { PhpContext } from './php-context.ts';
import { type PhpTree, readProfile, readTree } from './read-trees.ts';

export interface Gained {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** What one tree has that another has not. META.json, which always differs, is left aside. */
export interface TreeDifference extends ManifestDifference {
  readonly from: PhpTree;
  readonly to: PhpTree;
  /** Bytes of the files that `from` does not have, wherever they lie there. */
  readonly newBytes: number;
  readonly extensions: Gained;
  /** Words of REQUIRES, each with its category: `x86_64: libssl.so.3`. */
  readonly requires: Gained;
}

/** Throws `unknown-php-tree`, `php-tree-damaged`. */
export async function compareTrees(
  { layout }: PhpContext,
  profile: string,
  ids: { readonly from: string; readonly to: string },
): Promise<TreeDifference> {
  const state = await readProfile(layout, profile);
  const [from, to] = await Promise.all(
    [ids.from, ids.to].map(
      async (id) => await readTree(layout, profile, requireTree(state, id).id),
    ),
  );
  if (from === undefined || to === undefined) {
    throw new Error('two trees were read');
  }
  const [before, after] = [from, to].map(({ manifest }) =>
    manifest.entries.filter(({ path }) => path !== META),
  );
  const had = new Set((before ?? []).flatMap((entry) => ('sha256' in entry ? [entry.sha256] : [])));
  const fresh = (after ?? []).filter((entry) => 'sha256' in entry && !had.has(entry.sha256));
  return {
    ...compareManifests(before ?? [], after ?? []),
    from,
    to,
    newBytes: sizeOf(fresh).bytes,
    extensions: gained(from.meta.extensions, to.meta.extensions),
    requires: gained(sonamesIn(from.meta.requires), sonamesIn(to.meta.requires)),
  };
}

function gained(before: readonly string[], after: readonly string[]): Gained {
  return {
    added: after.filter((one) => !before.includes(one)),
    removed: before.filter((one) => !after.includes(one)),
  };
}
