import { NAME_PATTERN } from '../gentoo/profile.ts';

/** The name of a tree, which never changes once it is published: `8.2.30-zen3-r1`. */
export interface TreeId {
  readonly version: string;
  readonly profile: string;
  readonly revision: number;
}

/** As PHP writes them: `8.2.30`, `8.4.0RC1`, `8.5.0-dev` without its hyphen. */
const VERSION = '[0-9]{1,3}(?:\\.[0-9]{1,4}){1,3}(?:[A-Za-z][A-Za-z0-9]{0,15})?';
const ID = new RegExp(`^(?<version>${VERSION})-(?<profile>.+)-r(?<revision>[1-9][0-9]{0,8})$`);
const ONLY_VERSION = new RegExp(`^${VERSION}$`);

export function isPhpVersion(text: string): boolean {
  return ONLY_VERSION.test(text);
}

export function formatTreeId({ version, profile, revision }: TreeId): string {
  return `${version}-${profile}-r${revision}`;
}

/** Undefined for what is no id. Names of profiles may have hyphens; versions have none. */
export function parseTreeId(text: string): TreeId | undefined {
  const { version = '', profile = '', revision = '' } = ID.exec(text)?.groups ?? {};
  return NAME_PATTERN.test(profile) ? { version, profile, revision: Number(revision) } : undefined;
}

/** Older versions and revisions first; as PHP has it, `8.4.0RC1` comes before `8.4.0`. */
export function compareTreeIds(a: TreeId, b: TreeId): number {
  return compareVersions(a.version, b.version) || a.revision - b.revision;
}

function compareVersions(a: string, b: string): number {
  const [partsA, partsB] = [partsOf(a), partsOf(b)];
  for (let at = 0; at < Math.max(partsA.numbers.length, partsB.numbers.length); at += 1) {
    const difference = (partsA.numbers[at] ?? 0) - (partsB.numbers[at] ?? 0);
    if (difference !== 0) {
      return difference;
    }
  }
  if (partsA.suffix === '' || partsB.suffix === '') {
    return partsB.suffix.length - partsA.suffix.length;
  }
  return partsA.suffix.localeCompare(partsB.suffix, 'en', { numeric: true });
}

function partsOf(version: string): {
  readonly numbers: readonly number[];
  readonly suffix: string;
} {
  const suffix = /[A-Za-z].*$/.exec(version)?.[0] ?? '';
  const numbers = version
    .slice(0, version.length - suffix.length)
    .split('.')
    .map(Number);
  return { numbers, suffix };
}
