import { type EstimateSource, estimateTime, type KnownTimes } from './build-time.ts';

/** How long a build will take, and how well that is known. */
export interface Estimate {
  readonly ms: number;
  /** `measured`: this package on this profile. `elsewhere`: on another one. `guessed`: other packages. */
  readonly basis: 'measured' | 'elsewhere' | 'guessed';
}

/** A build that has taken longer than the ones before takes that much of its time again. */
const OVERDUE_SHARE = 0.15;
/** From so much on, the share that a build has done says when it ends. */
const TELLING_SHARE = 0.1;

/** How long each of these packages will take, as the queue reckons. */
export function estimateAll(
  packages: readonly string[],
  known: KnownTimes,
): ReadonlyMap<string, Estimate> {
  return new Map(
    packages.map((name): [string, Estimate] => {
      const { ms, source } = estimateTime(name, known);
      return [name, { ms, basis: BASES[source] ?? 'guessed' }];
    }),
  );
}

const BASES: Readonly<Partial<Record<EstimateSource, Estimate['basis']>>> = {
  measured: 'measured',
  'other-profile': 'elsewhere',
};

/** How long a build that has begun will still take. */
export function leftOf(
  estimate: Estimate,
  begun: { readonly elapsedMs: number; readonly share: number | undefined },
): number {
  const { elapsedMs, share } = begun;
  const byHistory = estimate.ms - elapsedMs;
  const isKnown = estimate.basis !== 'guessed' && byHistory > 0;
  if (!isKnown && share !== undefined && share >= TELLING_SHARE) {
    return (elapsedMs / share) * (1 - share);
  }
  return byHistory > 0 ? byHistory : elapsedMs * OVERDUE_SHARE;
}
