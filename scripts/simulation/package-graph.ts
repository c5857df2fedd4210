import { cautious } from '../../src/builds/build-time.ts';
import { gaussian, seeded } from './seeded.ts';

/** A package of a made-up request. Times in milliseconds. */
export interface MadePackage {
  /** A CPV. */
  readonly name: string;
  /** Indices of packages, all smaller than its own. */
  readonly needs: readonly number[];
  /** How long it really takes. */
  readonly ms: number;
  /** How long it is expected to take. */
  readonly expectedMs: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** Half of all packages take less: compiling, and unpacking, configuring and packing around it. */
const MEDIAN_MS = 40 * SECOND;
const SPREAD = 1.2;
/** How far a build is off what it took before. */
const NOISE = 0.15;
/** Packages that have not been built before. Giants are known: measured, or by name. */
const UNKNOWN = 0.05;

/**
 * A graph with the shape of a `@world` rebuild: a package needs two others in the middle, those that many need already
 * more likely; times are log-normal; a few giants of 40 minutes to three hours, most of which few packages need.
 */
export function packageGraph(count: number, seed: number): MadePackage[] {
  const random = seeded(seed);
  const popular: number[] = [];
  const giants = Math.max(3, Math.round(count * 0.004));
  const isGiant = new Set(
    Array.from({ length: giants }, () => Math.floor(count * (0.1 + 0.9 * random()))),
  );
  const made = Array.from({ length: count }, (_, index) => {
    const needs = needsOf(index, popular, random);
    if (!isGiant.has(index)) {
      popular.push(...needs, index);
    }
    const usual = Math.exp(Math.log(MEDIAN_MS) + SPREAD * gaussian(random));
    const giant = (40 + 140 * random()) * MINUTE;
    const ms = Math.round(isGiant.has(index) ? giant : Math.max(3 * SECOND, usual));
    const isUnknown = random() < UNKNOWN && !isGiant.has(index);
    const measured = Math.round(ms * Math.exp(NOISE * gaussian(random)));
    return { name: `a/p${index}-1`, needs, ms, measured, isUnknown };
  });
  const guess = cautious(made.map(({ measured }) => measured));
  return made.map(({ measured, isUnknown, ...one }) => ({
    ...one,
    expectedMs: isUnknown ? guess : measured,
  }));
}

function needsOf(index: number, popular: readonly number[], random: () => number): number[] {
  const wanted = index === 0 ? 0 : Math.min(index, Math.floor(-Math.log(1 - random()) * 2.5));
  const needs = new Set<number>();
  for (let draw = 0; draw < wanted; draw += 1) {
    const liked = popular[Math.floor(random() * popular.length)];
    needs.add(random() < 0.7 && liked !== undefined ? liked : Math.floor(random() * index));
  }
  return [...needs];
}
