import { parseCpv } from '../../gentoo/cpv.ts';
import { sonamesIn } from '../../gentoo/soname-list.ts';
import { compareVersions } from '../../gentoo/version.ts';
import type { PackageRecord } from '../package-record.ts';
import { slotKey } from '../snapshot-contents.ts';

/** What happened to the package of one category/pn:slot. */
export type PackageChangeKind = 'added' | 'removed' | 'up' | 'down' | 'rebuilt';

/** Words that came and went, in order. */
export interface WordChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

export interface PackageChange {
  readonly kind: PackageChangeKind;
  readonly category: string;
  readonly pn: string;
  /** Sub-slot left out. */
  readonly slot: string;
  /** Null when it was added. */
  readonly before: PackageRecord | null;
  /** Null when it was removed. */
  readonly after: PackageRecord | null;
  /** Flags that are switched on or off; those of an added or removed package are no change. */
  readonly use: WordChange;
  /** `<multilib category>: <soname>` that the package provides, or no longer does. */
  readonly sonames: WordChange;
  /** Bytes of the package file that the change adds; negative when it takes some away. */
  readonly sizeChange: number;
}

export interface SnapshotDifference {
  /** By category, pn and slot. */
  readonly changes: readonly PackageChange[];
  readonly counts: Readonly<Record<PackageChangeKind, number>>;
  readonly sizeChange: number;
}

/**
 * What is different between two snapshots, given the packages that only one of them has. Of one category/pn:slot with
 * several packages, those of the same version belong together, then the lowest versions.
 */
export function differenceOf(
  before: readonly PackageRecord[],
  after: readonly PackageRecord[],
): SnapshotDifference {
  const [old, now] = [bySlot(before), bySlot(after)];
  const keys = [...new Set([...old.keys(), ...now.keys()])].toSorted();
  const changes = keys.flatMap((key) =>
    pairs(old.get(key) ?? [], now.get(key) ?? []).map(([one, other]) => changeOf(one, other)),
  );
  const counts = { added: 0, removed: 0, up: 0, down: 0, rebuilt: 0 };
  let sizeChange = 0;
  for (const change of changes) {
    counts[change.kind] += 1;
    sizeChange += change.sizeChange;
  }
  return { changes, counts, sizeChange };
}

function bySlot(packages: readonly PackageRecord[]): Map<string, PackageRecord[]> {
  const slots = new Map<string, PackageRecord[]>();
  for (const one of packages) {
    const key = slotKey(one);
    slots.set(key, [...(slots.get(key) ?? []), one]);
  }
  for (const group of slots.values()) {
    group.sort((a, b) => compareVersions(versionOf(a), versionOf(b)) || a.buildId - b.buildId);
  }
  return slots;
}

type Pair = readonly [before: PackageRecord | null, after: PackageRecord | null];

function pairs(before: readonly PackageRecord[], after: readonly PackageRecord[]): Pair[] {
  const paired: Pair[] = [];
  const left = [...after];
  const unmatched = before.filter((one) => {
    const at = left.findIndex(({ cpv }) => cpv === one.cpv);
    const [twin] = at < 0 ? [] : left.splice(at, 1);
    if (twin !== undefined) {
      paired.push([one, twin]);
    }
    return twin === undefined;
  });
  for (let at = 0; at < Math.max(unmatched.length, left.length); at += 1) {
    paired.push([unmatched[at] ?? null, left[at] ?? null]);
  }
  return paired;
}

function changeOf(before: PackageRecord | null, after: PackageRecord | null): PackageChange {
  const known = after ?? before;
  if (known === null) {
    throw new Error('a change has a package on one side at least');
  }
  return {
    kind: kindOf(before, after),
    category: known.category,
    pn: known.pn,
    slot: known.slot.split('/', 1)[0] ?? '',
    before,
    after,
    use:
      before === null || after === null
        ? { added: [], removed: [] }
        : wordChange(flagsOf(before), flagsOf(after)),
    sonames: wordChange(sonamesOf(before), sonamesOf(after)),
    sizeChange: (after?.size ?? 0) - (before?.size ?? 0),
  };
}

function kindOf(before: PackageRecord | null, after: PackageRecord | null): PackageChangeKind {
  if (before === null || after === null) {
    return before === null ? 'added' : 'removed';
  }
  const order = compareVersions(versionOf(after), versionOf(before));
  if (order === 0) {
    return 'rebuilt';
  }
  return order > 0 ? 'up' : 'down';
}

function versionOf({ cpv }: PackageRecord): string {
  return parseCpv(cpv).version;
}

function wordChange(before: ReadonlySet<string>, after: ReadonlySet<string>): WordChange {
  return {
    added: [...after].filter((word) => !before.has(word)).toSorted(),
    removed: [...before].filter((word) => !after.has(word)).toSorted(),
  };
}

/** Flags that are on, of those that the package itself has. */
function flagsOf({ metadata }: PackageRecord): ReadonlySet<string> {
  const own = new Set(wordsOf(metadata['IUSE']).map((flag) => flag.replace(/^[+-]/, '')));
  return new Set(wordsOf(metadata['USE']).filter((flag) => own.has(flag)));
}

function sonamesOf(record: PackageRecord | null): ReadonlySet<string> {
  return new Set(sonamesIn(record?.metadata['PROVIDES']));
}

function wordsOf(text: string | undefined): string[] {
  return (text ?? '').split(' ').filter((word) => word !== '');
}
