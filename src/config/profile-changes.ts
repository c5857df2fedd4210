import type { HardwareProfile } from '../gentoo/profile.ts';
import type { ResolvedProfiles } from '../gentoo/resolve-profile.ts';

/** What became of one profile when the folder was read again. */
export interface ProfileChange {
  readonly kind: 'profile-added' | 'profile-changed' | 'profile-broken' | 'profile-removed';
  readonly profile: string;
  /** Of a broken one. */
  readonly faults: readonly string[];
  /** Whether what it was before is still built for and served. */
  readonly isKept: boolean;
}

/** The profiles that are worked with, and those among them that are only kept. */
export interface KnownProfiles extends ResolvedProfiles {
  /** Names of those whose folder is gone. */
  readonly removed: ReadonlySet<string>;
}

/**
 * What holds after the folder was read again. A profile that is broken now stays what it was when it was good; one whose
 * folder is gone stays to be served.
 */
export function nextProfiles(known: KnownProfiles, read: ResolvedProfiles): KnownProfiles {
  const good = new Map(read.profiles.map((profile) => [profile.name, profile]));
  const kept = known.profiles.filter(({ name }) => !good.has(name));
  const removed = new Set(
    kept.filter(({ name }) => !Object.hasOwn(read.broken, name)).map(({ name }) => name),
  );
  const gone = [...removed].map((name) => [name, [goneSentence(name)]] as const);
  return {
    profiles: [...read.profiles, ...kept].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    broken: Object.fromEntries(
      [...Object.entries(read.broken), ...gone].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    ),
    removed,
  };
}

function goneSentence(name: string): string {
  return `${name} can no longer be built for, its folder is gone: what is published stays, and nothing new is built for it.`;
}

/** What is different, by name. */
export function changesBetween(before: KnownProfiles, after: KnownProfiles): ProfileChange[] {
  const old = new Map(before.profiles.map((profile) => [profile.name, profile]));
  const now = new Map(after.profiles.map((profile) => [profile.name, profile]));
  const names = new Set([...old.keys(), ...now.keys(), ...Object.keys(after.broken)]);
  return [...names].toSorted().flatMap((name): ProfileChange[] => {
    const faults = after.broken[name] ?? [];
    const change = { profile: name, faults, isKept: now.has(name) };
    if (after.removed.has(name)) {
      return before.removed.has(name) ? [] : [{ ...change, kind: 'profile-removed' }];
    }
    if (faults.length > 0) {
      const isKnown = !before.removed.has(name) && isSame(before.broken[name] ?? [], faults);
      return isKnown ? [] : [{ ...change, kind: 'profile-broken' }];
    }
    if (!old.has(name)) {
      return [{ ...change, kind: 'profile-added' }];
    }
    const isMended = Object.hasOwn(before.broken, name);
    return isMended || !isSame(old.get(name), now.get(name))
      ? [{ ...change, kind: 'profile-changed' }]
      : [];
  });
}

function isSame(
  one: HardwareProfile | readonly string[] | undefined,
  other: HardwareProfile | readonly string[] | undefined,
): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
