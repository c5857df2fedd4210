import { parseCpv } from '../gentoo/cpv.ts';
import { compareVersions } from '../gentoo/version.ts';
import type { PackageChoice } from './package-choice.ts';

/** A choice among several builds of its CPV. */
export interface Build extends PackageChoice {
  readonly buildTimeSeconds: number;
}

/** SLOT without its sub-slot. */
export function mainSlot({ slot }: Pick<PackageChoice, 'slot'>): string {
  return slot.split('/', 1)[0] ?? '';
}

/** What a client has at most one of: category/pn in a slot, sub-slots aside. */
export function slotKey(choice: Pick<PackageChoice, 'category' | 'pn' | 'slot'>): string {
  return `${choice.category}/${choice.pn}:${mainSlot(choice)}`;
}

/** Of each category/pn:slot the newest version; of each CPV only its newest build, by BUILD_TIME, then BUILD_ID, counts. */
export function newestOfEachSlot(builds: readonly Build[]): PackageChoice[] {
  const newest = new Map<string, PackageChoice>();
  for (const build of newestOfEachCpv(builds)) {
    const key = slotKey(build);
    const rival = newest.get(key);
    if (rival === undefined || isNewer(build, rival)) {
      newest.set(key, build);
    }
  }
  return [...newest.values()];
}

/** In the order of the CPVs as strings, for versions that are equal and written differently. */
function newestOfEachCpv(builds: readonly Build[]): Build[] {
  const newest = new Map<string, Build>();
  for (const build of builds) {
    const rival = newest.get(build.cpv);
    const isOlder =
      rival !== undefined &&
      (build.buildTimeSeconds - rival.buildTimeSeconds || build.buildId - rival.buildId) < 0;
    if (!isOlder) {
      newest.set(build.cpv, build);
    }
  }
  return [...newest.values()].toSorted((a, b) => Number(a.cpv > b.cpv) - Number(a.cpv < b.cpv));
}

function isNewer(build: PackageChoice, rival: PackageChoice): boolean {
  return compareVersions(parseCpv(build.cpv).version, parseCpv(rival.cpv).version) > 0;
}
