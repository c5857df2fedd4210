import { guessedTime } from './guessed-time.ts';

/** Measured times of a package that count: the newest ones. */
export const KEPT_TIMES = 7;

/** What is known of how long packages take, in milliseconds. */
export interface KnownTimes {
  /** category/name -> the usual time on the profile in question. */
  readonly own: ReadonlyMap<string, number>;
  /** category/name -> the usual times on other profiles. */
  readonly others: ReadonlyMap<string, readonly number[]>;
  /** category -> the usual times of its packages, on whatever profile. */
  readonly byCategory: ReadonlyMap<string, readonly number[]>;
  /** The usual times of packages of all kinds. */
  readonly overall: readonly number[];
}

/** Where an estimate comes from, the best source first. */
export const ESTIMATE_SOURCES = [
  'measured',
  'other-profile',
  'well-known',
  'category',
  'overall',
  'guess',
] as const;
export type EstimateSource = (typeof ESTIMATE_SOURCES)[number];

export interface Estimate {
  readonly ms: number;
  readonly source: EstimateSource;
}

/** A category or the whole has to have so many measured packages to stand for the unknown one. */
const ENOUGH = 5;

/** How long a package is expected to take. `name` is category/name. */
export function estimateTime(name: string, known: KnownTimes): Estimate {
  const own = known.own.get(name);
  if (own !== undefined) {
    return { ms: own, source: 'measured' };
  }
  const others = known.others.get(name) ?? [];
  if (others.length > 0) {
    return { ms: median(others), source: 'other-profile' };
  }
  const guess = guessedTime(name);
  if (guess.isWellKnown) {
    return { ms: guess.ms, source: 'well-known' };
  }
  const category = known.byCategory.get(name.split('/')[0] ?? '') ?? [];
  if (category.length >= ENOUGH) {
    return { ms: cautious(category), source: 'category' };
  }
  return known.overall.length >= ENOUGH
    ? { ms: cautious(known.overall), source: 'overall' }
    : { ms: guess.ms, source: 'guess' };
}

/**
 * What is said of a package of which nothing is known: as long as nine of ten take. To begin a short one too early costs
 * nothing; a long one begun too late, because it was taken for an ordinary one, makes everybody wait for it at the
 * end: in simulations 20 % of the whole time, with the median, and next to nothing with this.
 */
export function cautious(times: readonly number[]): number {
  return quantile(times, CAUTION);
}

const CAUTION = 0.9;

/** Whether the package itself is known: guesses make nothing a giant. */
export function isKnown(source: EstimateSource): boolean {
  return isTelling(source) || source === 'well-known';
}

/** Whether an estimate is good enough to tell somebody when a job will be done. */
export function isTelling(source: string | null): boolean {
  return source === 'measured' || source === 'other-profile';
}

/** The usual time after one more run: the median, which one run under load or with a full ccache does not move. */
export function addTime(
  recent: readonly number[],
  ms: number,
): { readonly recent: readonly number[]; readonly typicalMs: number } {
  const kept = [...recent, ms].slice(-KEPT_TIMES);
  return { recent: kept, typicalMs: median(kept) };
}

/** The middle of a list that is not empty; of an even number the lower one of the two. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  const value = sorted[Math.floor((sorted.length - 1) * share)];
  if (value === undefined) {
    throw new Error('there is no middle of nothing');
  }
  return value;
}
