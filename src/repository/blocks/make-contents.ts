import type { Queries } from '../../database/database.ts';
import type { PackageChoice } from '../package-choice.ts';
import { slotKey } from '../snapshot-contents.ts';
import { type Block, type BlockList, blocksWithName, changeBlocks } from './block.ts';
import { blocksOfSnapshot, choicesOfBlock } from './block-store.ts';

/**
 * What a snapshot holds (nothing when there is none), less what has the category/pn:slot of something new, plus all
 * that is new. Reads only the blocks that something falls into.
 */
export async function replaceSlots(
  queries: Queries,
  snapshotId: string | undefined,
  added: readonly PackageChoice[],
): Promise<BlockList> {
  const present = snapshotId === undefined ? [] : await blocksOfSnapshot(queries, snapshotId);
  const loaded = new Map<string, readonly PackageChoice[]>();
  const load = async ({ id }: Block): Promise<readonly PackageChoice[]> => {
    const choices = loaded.get(id) ?? (await choicesOfBlock(queries, id));
    loaded.set(id, choices);
    return choices;
  };
  const slots = new Set(added.map(slotKey));
  const names = new Map(added.map((choice) => [`${choice.category}/${choice.pn}`, choice]));
  const touched = new Set([...names.values()].flatMap((name) => blocksWithName(present, name)));
  const removed: PackageChoice[] = [];
  for (const block of touched) {
    removed.push(...(await load(block)).filter((choice) => slots.has(slotKey(choice))));
  }
  return await changeBlocks(present, { removed, added }, load);
}
