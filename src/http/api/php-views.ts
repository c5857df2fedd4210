import type { TreeDifference } from '../../php/compare-trees.ts';
import type { ManifestEntry } from '../../php/manifest.ts';
import type { ProfileOverview } from '../../php/php-trees.ts';
import type { PhpTree } from '../../php/read-trees.ts';
import type {
  PhpDifferenceView,
  PhpEntryView,
  PhpProfileView,
  PhpTreeView,
} from '../../protocol/php.ts';

type Channels = Readonly<Record<string, string>>;

export function phpTreeView({ id, meta, listing }: PhpTree, channels: Channels): PhpTreeView {
  const { format: _, build, ...rest } = meta;
  const { manifest, bytes, files } = listing;
  return {
    ...rest,
    id,
    manifest,
    bytes,
    files,
    madeAt: build.when,
    kind: build.kind,
    sources: build.sources,
    agent: build.agent,
    channels: Object.keys(channels).filter((channel) => channels[channel] === id),
  };
}

export function phpProfileView({ trees, deeds, ...rest }: ProfileOverview): PhpProfileView {
  return {
    ...rest,
    channels: { ...rest.channels },
    trees: trees.map((tree) => phpTreeView(tree, rest.channels)),
    deeds: deeds.map((deed) => ({ ...deed })),
  };
}

export function phpEntryView(entry: ManifestEntry): PhpEntryView {
  const nothing = { mode: null, bytes: null, sha256: null, target: null };
  return { ...nothing, ...entry };
}

export function phpDifferenceView(
  difference: TreeDifference,
  channels: Channels,
): PhpDifferenceView {
  const { from, to, added, removed, changed, newBytes, extensions, requires } = difference;
  return {
    from: phpTreeView(from, channels),
    to: phpTreeView(to, channels),
    added: added.map(phpEntryView),
    removed: removed.map(phpEntryView),
    changed: changed.map(({ before, after }) => ({
      before: phpEntryView(before),
      after: phpEntryView(after),
    })),
    newBytes,
    extensions: { added: [...extensions.added], removed: [...extensions.removed] },
    requires: { added: [...requires.added], removed: [...requires.removed] },
    glibc: { before: from.meta.glibc, after: to.meta.glibc },
  };
}
