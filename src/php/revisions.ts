import { writeLedger } from './ledger.ts';
import { type PhpContext, withTrees } from './php-context.ts';
import { type ProfileTrees, readProfile, treesOnDisk } from './read-trees.ts';
import { formatTreeId, parseTreeId } from './tree-id.ts';

/** An id that no tree of the profile has had. */
export async function nextTreeId(
  { layout }: PhpContext,
  { profile, contents, ledger }: ProfileTrees,
  version: string,
): Promise<string> {
  const ids = [...(await treesOnDisk(layout, profile)), ...contents.trees.map(({ id }) => id)];
  const used = ids.map(parseTreeId).flatMap((id) => (id?.version === version ? [id.revision] : []));
  const revision = 1 + Math.max(ledger.revisions[version] ?? 0, ...used);
  return formatTreeId({ version, profile, revision });
}

/** Sets an id aside for a tree that is to be built for its place: from now on nothing else gets it. */
export async function reserveTree(
  context: PhpContext,
  profile: string,
  version: string,
): Promise<string> {
  return await withTrees(context, profile, async () => {
    const { layout } = context;
    const state = await readProfile(layout, profile);
    const id = await nextTreeId(context, state, version);
    const revision = parseTreeId(id)?.revision ?? 0;
    const revisions = { ...state.ledger.revisions, [version]: revision };
    await writeLedger(layout, profile, { ...state.ledger, revisions });
    return id;
  });
}
