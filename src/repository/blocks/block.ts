import { digestOf } from '../../support/digests.ts';
import { cutRuns, endsRun } from '../../support/runs.ts';
import type { PackageChoice } from '../package-choice.ts';

/**
 * A run of packages in the order of an index (CPV as a string, then BUILD_ID). Snapshots are lists of blocks. Where a
 * block ends depends on its last CPV alone, so that equal contents always have equal blocks, and a change touches
 * only those that it falls into.
 */
export interface Block {
  readonly id: string;
  readonly packageCount: number;
  readonly lastCpv: string;
  readonly lastBuildId: number;
  readonly categories: readonly string[];
}

/** A block that was just made, with the packages that are in it. */
export interface MadeBlock {
  readonly block: Block;
  readonly packageIds: readonly string[];
}

/** What a snapshot shall hold. */
export interface BlockList {
  readonly blocks: readonly Block[];
  /** Those that the base had not. */
  readonly made: readonly MadeBlock[];
}

/** Packages that come and go, each once; one that stays may be in both. */
export interface BlockChange {
  readonly removed: readonly PackageChoice[];
  readonly added: readonly PackageChoice[];
}

type Place = Pick<PackageChoice, 'cpv' | 'buildId'>;

/** The id of a block of exactly these packages. */
function blockIdOf(packageIds: readonly string[]): string {
  return `block-${digestOf('sha256', packageIds.join('\n')).slice(0, 32)}`;
}

/** The order of an index. */
export function comparePlaces(a: Place, b: Place): number {
  return a.cpv === b.cpv ? a.buildId - b.buildId : Number(a.cpv > b.cpv) - Number(a.cpv < b.cpv);
}

function makeBlock(packages: readonly PackageChoice[]): MadeBlock {
  const packageIds = packages.map(({ id }) => id);
  const last = packages.at(-1);
  return {
    packageIds,
    block: {
      id: blockIdOf(packageIds),
      packageCount: packages.length,
      lastCpv: last?.cpv ?? '',
      lastBuildId: last?.buildId ?? 0,
      categories: [...new Set(packages.map(({ category }) => category))],
    },
  };
}

/** The blocks of these packages, all of them new. */
export function cutBlocks(packages: readonly PackageChoice[]): BlockList {
  const made = cutRuns(packages.toSorted(comparePlaces), ({ cpv }) => cpv).map(makeBlock);
  return { blocks: made.map(({ block }) => block), made };
}

/** The blocks whose packages could have a CPV of this category and name: one or two, as a rule. */
export function blocksWithName(
  blocks: readonly Block[],
  { category, pn }: Pick<PackageChoice, 'category' | 'pn'>,
): readonly Block[] {
  const prefix = `${category}/${pn}-`;
  const first = positionOf(blocks, { cpv: prefix, buildId: 0 });
  let end = first;
  while (end < blocks.length && (end === first || isBelow(blocks[end - 1]?.lastCpv, prefix))) {
    end += 1;
  }
  return blocks.slice(first, end);
}

/** Whether something that begins like this can still follow what ends with this CPV. */
function isBelow(lastCpv = '', prefix = ''): boolean {
  return lastCpv < prefix || lastCpv.startsWith(prefix);
}

/** The first block that does not end before this place; the number of blocks when all do. */
function positionOf(blocks: readonly Block[], place: Place): number {
  let [low, high] = [0, blocks.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const { lastCpv = '', lastBuildId = 0 } = blocks[middle] ?? {};
    if (comparePlaces({ cpv: lastCpv, buildId: lastBuildId }, place) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/**
 * The blocks of changed contents. Only blocks that something falls into, or that lost their end, are loaded; the
 * outcome is the same as if all packages had been cut anew.
 */
export async function changeBlocks(
  present: readonly Block[],
  change: BlockChange,
  load: (block: Block) => Promise<readonly PackageChoice[]>,
): Promise<BlockList> {
  const byPosition = sortChange(present, change);
  const blocks: Block[] = [];
  const made: MadeBlock[] = [];
  const take = (runs: readonly (readonly PackageChoice[])[]): void => {
    for (const run of runs) {
      const one = makeBlock(run);
      blocks.push(one.block);
      made.push(one);
    }
  };
  let open: readonly PackageChoice[] =
    present.length === 0 ? change.added.toSorted(comparePlaces) : [];
  for (const [position, block] of present.entries()) {
    const own = byPosition.get(position);
    if (own === undefined && open.length === 0) {
      blocks.push(block);
      continue;
    }
    const runs = cutRuns([...open, ...changed(await load(block), own)], ({ cpv }) => cpv);
    const last = runs.at(-1)?.at(-1);
    open = last === undefined || endsRun(last.cpv) ? [] : (runs.pop() ?? []);
    take(runs);
  }
  take(cutRuns(open, ({ cpv }) => cpv));
  return { blocks, made };
}

/** What falls into which block. What comes behind the last one belongs to it. */
function sortChange(
  present: readonly Block[],
  { removed, added }: BlockChange,
): ReadonlyMap<number, BlockChange> {
  const byPosition = new Map<number, { removed: PackageChoice[]; added: PackageChoice[] }>();
  for (const [kind, choices] of [
    ['removed', removed],
    ['added', added],
  ] as const) {
    for (const choice of choices) {
      const position = Math.min(positionOf(present, choice), present.length - 1);
      const own = byPosition.get(position) ?? { removed: [], added: [] };
      own[kind].push(choice);
      byPosition.set(position, own);
    }
  }
  return byPosition;
}

function changed(
  packages: readonly PackageChoice[],
  change: BlockChange | undefined,
): readonly PackageChoice[] {
  if (change === undefined) {
    return packages;
  }
  const gone = new Set(change.removed.map(({ id }) => id));
  return [...packages.filter(({ id }) => !gone.has(id)), ...change.added].toSorted(comparePlaces);
}
