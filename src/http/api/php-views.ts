import type { ProfileOverview } from '../../php/php-trees.ts';
import type { PhpTree } from '../../php/read-trees.ts';
import type { PhpProfileView, PhpTreeView } from '../../protocol/php.ts';

export function phpTreeView(
  { id, meta, listing }: PhpTree,
  channels: Readonly<Record<string, string>>,
): PhpTreeView {
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
