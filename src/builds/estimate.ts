/** How long a build will take, and how well that is known. */
export interface Estimate {
  readonly ms: number;
  /** `measured`: this package on this profile. `elsewhere`: on another one. `guessed`: other packages. */
  readonly basis: 'measured' | 'elsewhere' | 'guessed';
}

export interface Sample {
  readonly package: string;
  readonly profile: string;
  readonly ms: number;
}

/** What a job takes when nothing at all is known. */
const UNKNOWN_MS = 2 * 60_000;
/** A build that has taken longer than the ones before takes that much of its time again. */
const OVERDUE_SHARE = 0.15;
/** From so much on, the share that a build has done says when it ends. */
const TELLING_SHARE = 0.1;

/**
 * How long each of these packages will take on this profile: the middle one of the newest builds there; of those on
 * other profiles; or of what else was built lately.
 */
export function estimateAll(
  packages: readonly string[],
  profile: string,
  { samples, others }: { readonly samples: readonly Sample[]; readonly others: readonly number[] },
): ReadonlyMap<string, Estimate> {
  const own = grouped(samples.filter((sample) => sample.profile === profile));
  const all = grouped(samples);
  const usual = median(others) ?? UNKNOWN_MS;
  return new Map(
    packages.map((name): [string, Estimate] => {
      const measured = median(own.get(name) ?? []);
      if (measured !== undefined) {
        return [name, { ms: measured, basis: 'measured' }];
      }
      const elsewhere = median(all.get(name) ?? []);
      return elsewhere === undefined
        ? [name, { ms: usual, basis: 'guessed' }]
        : [name, { ms: elsewhere, basis: 'elsewhere' }];
    }),
  );
}

function grouped(samples: readonly Sample[]): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const sample of samples) {
    const group = groups.get(sample.package) ?? [];
    group.push(sample.ms);
    groups.set(sample.package, group);
  }
  return groups;
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

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
