import { posix } from 'node:path';

/** One ELF file of a package, as a line of NEEDED.ELF.2 has it. */
export interface NeededEntry {
  readonly machine: string;
  /** From the root of the image, with its first slash. */
  readonly path: string;
  readonly soname: string;
  readonly runpath: string;
  readonly needed: readonly string[];
  readonly category: string | undefined;
}

export interface SonameExclusions {
  /** Shell patterns of files and sonames. */
  readonly provides: readonly string[];
  readonly requires: readonly string[];
}

interface Consumer {
  readonly category: string;
  /** Folders of its run path, normalised. */
  readonly runpaths: ReadonlySet<string>;
}

/**
 * The values of REQUIRES and PROVIDES (`portage/util/_dyn_libs/soname_deps.py:SonameDepsProcessor`): sonames by
 * multilib category, sorted. REQUIRES leaves out what the package has itself, be it by soname or as a file in a
 * folder of the run path. Undefined where Portage writes no file.
 */
export function sonameDeps(
  entries: readonly NeededEntry[],
  exclusions: SonameExclusions,
): { readonly requires: string | undefined; readonly provides: string | undefined } {
  const known = entries.filter((entry) => entry.category !== undefined);
  return {
    requires: format(requiredSonames(known, exclusions.requires.map(shellPattern))),
    provides: format(providedSonames(known, exclusions.provides.map(shellPattern))),
  };
}

type ByCategory = Map<string, Set<string>>;

function providedSonames(entries: readonly NeededEntry[], excluded: readonly RegExp[]): ByCategory {
  const provided: ByCategory = new Map();
  for (const { category = '', path, soname } of entries) {
    if (soname !== '' && !matches(excluded, path) && !matches(excluded, soname)) {
      setOf(provided, category).add(soname);
    }
  }
  return provided;
}

function requiredSonames(entries: readonly NeededEntry[], excluded: readonly RegExp[]): ByCategory {
  const own = new Set(entries.map(({ category, soname }) => `${category} ${soname}`));
  const required: ByCategory = new Map();
  for (const [soname, consumers] of consumersBySoname(entries, excluded)) {
    for (const consumer of consumers) {
      if (!own.has(`${consumer.category} ${soname}`) && !isInRunpath(soname, consumer, entries)) {
        setOf(required, consumer.category).add(soname);
      }
    }
  }
  return required;
}

function consumersBySoname(
  entries: readonly NeededEntry[],
  excluded: readonly RegExp[],
): Map<string, Consumer[]> {
  const consumers = new Map<string, Consumer[]>();
  for (const entry of entries.filter(({ path }) => !matches(excluded, path))) {
    const consumer = { category: entry.category ?? '', runpaths: runpathFolders(entry) };
    for (const soname of entry.needed.filter((name) => name !== '' && !matches(excluded, name))) {
      consumers.set(soname, [...(consumers.get(soname) ?? []), consumer]);
    }
  }
  return consumers;
}

/** A library without a soname is found by its file name in a folder of the run path. */
function isInRunpath(soname: string, consumer: Consumer, entries: readonly NeededEntry[]): boolean {
  return entries.some(
    ({ path, category }) =>
      category === consumer.category &&
      posix.basename(path) === soname &&
      consumer.runpaths.has(posix.dirname(path)),
  );
}

function runpathFolders({ path, runpath }: NeededEntry): ReadonlySet<string> {
  const origin = posix.dirname(path);
  return new Set(
    runpath
      .split(':')
      .filter((folder) => folder !== '')
      .map((folder) => folder.replaceAll(/\$(?:ORIGIN\b|\{ORIGIN\})/g, () => origin))
      .map((folder) => posix.normalize(folder).replace(/(?<=.)\/$/, '')),
  );
}

function format(sonames: ByCategory): string | undefined {
  const words = [...sonames]
    .toSorted(([a], [b]) => compare(a, b))
    .flatMap(([category, names]) => [`${category}:`, ...[...names].toSorted(compare)]);
  return words.length === 0 ? undefined : `${words.join(' ')}\n`;
}

function setOf(map: ByCategory, key: string): Set<string> {
  const set = map.get(key) ?? new Set<string>();
  map.set(key, set);
  return set;
}

function compare(a: string, b: string): number {
  return Buffer.from(a).compare(Buffer.from(b));
}

function matches(patterns: readonly RegExp[], text: string): boolean {
  const bare = text.replace(/^\/+/, '');
  return patterns.some((pattern) => pattern.test(bare));
}

/** `*`, `?` and `[...]` as Python's fnmatch has them: a star crosses slashes. */
function shellPattern(pattern: string): RegExp {
  const source = pattern.replace(/^\/+/, '').replaceAll(/\[!?\]?[^\]]*\]|[\s\S]/gu, (token) => {
    if (token === '*') {
      return '.*';
    }
    if (token === '?') {
      return '.';
    }
    if (token.length > 1 && token.startsWith('[')) {
      return characterClass(token.slice(1, -1));
    }
    return token.replace(/[\\^$.|+(){}[\]/]/, '\\$&');
  });
  return new RegExp(`^${source}$`, 'su');
}

function characterClass(inside: string): string {
  const negated = inside.startsWith('!');
  const members = (negated ? inside.slice(1) : inside).replaceAll(/[\\^\][]/g, '\\$&');
  return `[${negated ? '^' : ''}${members}]`;
}
