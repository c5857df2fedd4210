import type { PackageTimesRow } from '../database/tables.ts';
import type { BuildLimits, LimitPolicy } from '../gentoo/build-limits.ts';
import { parseCpv } from '../gentoo/cpv.ts';

/** The most that earlier builds took. */
type Most = Pick<
  PackageTimesRow,
  'longest_ms' | 'longest_silence_ms' | 'largest_log_bytes' | 'largest_disk_bytes'
>;

/** How much more than the most that it took before a build may take. */
const ROOM = 4;

/** `category/pn` of a CPV. */
export function packageOf(cpv: string): string {
  const { category, pn } = parseCpv(cpv);
  return `${category}/${pn}`;
}

/**
 * The limits of one build: what the profile sets for the package, or else for everything; or else the default, or
 * four times what earlier builds of the package took when that is more.
 */
export function limitsOf(
  name: string,
  from: {
    readonly defaults: BuildLimits;
    readonly policy: LimitPolicy | undefined;
    readonly measured: Most | undefined;
  },
): BuildLimits {
  const { defaults, policy, measured } = from;
  const set = { ...policy?.all, ...policy?.packages[name] };
  return {
    silenceMs: set.silenceMs ?? learned(defaults.silenceMs, measured?.longest_silence_ms),
    runMs: set.runMs ?? learned(defaults.runMs, measured?.longest_ms),
    logBytes: set.logBytes ?? learned(defaults.logBytes, measured?.largest_log_bytes),
    diskBytes: set.diskBytes ?? learned(defaults.diskBytes, measured?.largest_disk_bytes),
  };
}

function learned(known: number, most: number | undefined): number {
  return Math.max(known, ROOM * (most ?? 0));
}
