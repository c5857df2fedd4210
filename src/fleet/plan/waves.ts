import { grouped } from './findings.ts';
import type { Target } from './targets.ts';

export interface Wave {
  /** `wave-3`, `wave-3.2`. */
  readonly id: string;
  readonly title: string;
  readonly targets: readonly Target[];
}

/** First all members 1, then all members 2: of each farm at most one in a wave. A farm without that member is not in it. */
export function wavesByIndex(targets: readonly Target[]): readonly Wave[] {
  return [...grouped(targets, ({ member }) => String(member.index))]
    .toSorted(([one], [other]) => Number(one) - Number(other))
    .map(([index, of]) => ({ id: `wave-${index}`, title: `members ${index}`, targets: of }));
}

/** How many of a farm a wave may have, and how many of these may be ones that are taken out of the balancers. */
export interface WaveLimits {
  readonly perFarm: (target: Target) => number;
  readonly outPerFarm: (target: Target) => number;
  readonly isOut: (target: Target) => boolean;
}

/**
 * Growing waves: `parts` are parts of `all` nodes, `first` of which have had their turn. A wave that would have too many of a farm
 * comes in pieces, one after the other.
 */
export function growingWaves(
  targets: readonly Target[],
  parts: readonly number[],
  first: number,
  limits: WaveLimits,
): readonly Wave[] {
  const queue = spread(targets);
  const total = queue.length + first;
  const ends = parts.map((part) => Math.max(0, Math.ceil(part * total - 1e-9) - first));
  return ends.flatMap((end, index) => {
    const wave = queue.slice(index === 0 ? 0 : ends[index - 1], end);
    const pieces = inPieces(wave, limits);
    return pieces.map((piece, number) => ({
      id: pieces.length === 1 ? `wave-${index + 1}` : `wave-${index + 1}.${number + 1}`,
      title: `up to ${Math.round((parts[index] ?? 1) * 1000) / 10} % of the nodes`,
      targets: piece,
    }));
  });
}

function inPieces(wave: readonly Target[], limits: WaveLimits): readonly (readonly Target[])[] {
  const pieces: Target[][] = [];
  const used = new Map<string, { all: number; out: number }[]>();
  for (const target of wave) {
    const counts = used.get(target.farm.name) ?? [];
    used.set(target.farm.name, counts);
    const isOut = limits.isOut(target);
    const found = counts.findIndex(
      ({ all, out }) => all < limits.perFarm(target) && (!isOut || out < limits.outPerFarm(target)),
    );
    const at = found === -1 ? counts.length : found;
    counts[at] ??= { all: 0, out: 0 };
    counts[at].all += 1;
    counts[at].out += isOut ? 1 : 0;
    pieces[at] ??= [];
    pieces[at].push(target);
  }
  return pieces;
}

/**
 * One member of each farm, then the second of each, and so on; sites take turns, and so do the racks of a farm, each farm beginning
 * with another one. So what is near each other in the queue is far apart in the fleet.
 */
function spread(targets: readonly Target[]): readonly Target[] {
  const farms = [...grouped(targets, ({ farm }) => farm.name).values()];
  const bySite = [...grouped(farms, (members) => members[0]?.site.name ?? '').values()];
  const queues = turns(bySite).map((members, index) => byRack(members, index));
  return turns(queues);
}

function byRack(members: readonly Target[], shift: number): readonly Target[] {
  const racks = [...grouped(members, ({ member }) => member.rack ?? '').entries()]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([, of]) => of.toSorted((one, other) => one.member.index - other.member.index));
  const start = shift % racks.length;
  return turns([...racks.slice(start), ...racks.slice(0, start)]);
}

/** The first of each, then the second of each, and so on. */
function turns<T>(lists: readonly (readonly T[])[]): readonly T[] {
  const longest = lists.reduce((most, { length }) => Math.max(most, length), 0);
  return Array.from({ length: longest }, (_, index) =>
    lists.flatMap((list) => list.slice(index, index + 1)),
  ).flat();
}
