import { parseCpv } from '../gentoo/cpv.ts';
import { compareVersions } from '../gentoo/version.ts';
import type { PackageChoice } from './package-store.ts';

/** What a client has at most one of: category/pn in a slot, sub-slots aside. */
export function slotKey(choice: Pick<PackageChoice, 'category' | 'pn' | 'slot'>): string {
  return `${choice.category}/${choice.pn}:${choice.slot.split('/', 1)[0]}`;
}

/** Of each category/pn:slot the newest version, given one build of each CPV. */
export function newestOfEachSlot(builds: readonly PackageChoice[]): PackageChoice[] {
  const newest = new Map<string, PackageChoice>();
  for (const build of builds) {
    const key = slotKey(build);
    const rival = newest.get(key);
    if (rival === undefined || isNewer(build, rival)) {
      newest.set(key, build);
    }
  }
  return [...newest.values()];
}

/** The present contents, less what has the category/pn:slot of something new, plus all that is new. */
export function replaceSlots(
  present: readonly PackageChoice[],
  added: readonly PackageChoice[],
): PackageChoice[] {
  const replaced = new Set(added.map(slotKey));
  return [...present.filter((choice) => !replaced.has(slotKey(choice))), ...added];
}

function isNewer(build: PackageChoice, rival: PackageChoice): boolean {
  return compareVersions(parseCpv(build.cpv).version, parseCpv(rival.cpv).version) > 0;
}
