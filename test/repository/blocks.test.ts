import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import {
  type Block,
  type BlockList,
  changeBlocks,
  comparePlaces,
} from '../../src/repository/blocks/block.ts';
import type { PackageChoice } from '../../src/repository/package-choice.ts';

/** Some of them end a block: one in 64. */
const ALL: readonly PackageChoice[] = Array.from({ length: 400 }, (_, number) => {
  const [category, pn] = [`cat-${number % 7}`, `name${Math.floor(number / 2)}`];
  const cpv = `${category}/${pn}-${number % 5}.${number}`;
  return { id: `pkg-${number}`, category, pn, cpv, slot: '0', buildId: 1 + (number % 3) };
});
const someOf = fc.uniqueArray(fc.constantFrom(...ALL), { selector: ({ id }) => id });

async function nothingToLoad(): Promise<never> {
  throw new Error('a block was loaded that nothing fell into');
}

/** As if all packages were cut for the first time. */
async function cutAnew(packages: readonly PackageChoice[]): Promise<BlockList> {
  return await changeBlocks([], { removed: [], added: packages }, nothingToLoad);
}

describe('the blocks of changed contents', () => {
  it('are those of the same contents cut anew, whatever came and went', async () => {
    const changes = fc.array(fc.tuple(someOf, someOf), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(someOf, changes, async (first, steps) => {
        const known = new Map<string, readonly PackageChoice[]>();
        let present = first;
        let list = await cutAnew(first);
        const keep = ({ made }: BlockList): void => {
          for (const { block, packageIds } of made) {
            known.set(
              block.id,
              packageIds.flatMap((id) => ALL.filter((one) => one.id === id)),
            );
          }
        };
        const load = async ({ id }: Block): Promise<readonly PackageChoice[]> =>
          known.get(id) ?? (await nothingToLoad());
        keep(list);
        for (const [coming, going] of steps) {
          const removed = present.filter((one) => going.includes(one));
          const rest = present.filter((one) => !going.includes(one));
          const added = coming.filter((one) => !rest.includes(one));
          list = await changeBlocks(list.blocks, { removed, added }, load);
          keep(list);
          present = [...rest, ...added];
          expect(list.blocks).toEqual((await cutAnew(present)).blocks);
        }
        const packages = list.blocks.flatMap(({ id }) => known.get(id) ?? []);
        expect(packages).toEqual(present.toSorted(comparePlaces));
      }),
      { numRuns: 300 },
    );
  });

  it('are loaded only where something falls into them, or where one has lost its end', async () => {
    const list = await cutAnew(ALL);
    const sorted = ALL.toSorted(comparePlaces);
    const loaded: string[] = [];
    const load = async ({ id }: Block): Promise<readonly PackageChoice[]> => {
      loaded.push(id);
      const { packageIds = [] } = list.made.find(({ block }) => block.id === id) ?? {};
      return sorted.filter((one) => packageIds.includes(one.id));
    };
    const [first, second] = list.blocks;
    expect(list.blocks.length).toBeGreaterThan(3);

    const inside = sorted[0];
    await changeBlocks(
      list.blocks,
      { removed: inside === undefined ? [] : [inside], added: [] },
      load,
    );
    expect(loaded).toEqual([first?.id]);

    const end = sorted[(first?.packageCount ?? 0) - 1];
    const joined = await changeBlocks(
      list.blocks,
      { removed: end === undefined ? [] : [end], added: [] },
      load,
    );
    expect(loaded.slice(1)).toEqual([first?.id, second?.id]);
    expect(joined.blocks.slice(1)).toEqual(list.blocks.slice(2));
  });
});
