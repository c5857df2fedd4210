import { posix } from 'node:path';
import { runPathFolder } from './run-path.ts';
import { shellPattern } from './shell-pattern.ts';

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
    requires: format(requiredSonames(known, exclusions.requires.map(exclusion))),
    provides: format(providedSonames(known, exclusions.provides.map(exclusion))),
  };
}

type ByCategory = Map<string, Set<string>>;

function providedSonames(entries: readonly NeededEntry[], excluded: readonly RegExp[]): ByCategory {
  const provided: ByCategory = new Map();
  for (const { category = '', path, soname } of entries) {
    if (soname !== '' && !matches(excluded, bare(path)) && !matches(excluded, soname)) {
      setOf(provided, category).add(soname);
    }
  }
  return provided;
}

function requiredSonames(entries: readonly NeededEntry[], excluded: readonly RegExp[]): ByCategory {
  const own = new Set(entries.map(({ category, soname }) => `${category} ${soname}`));
  const folders = foldersByName(entries);
  const required: ByCategory = new Map();
  for (const entry of entries.filter(({ path }) => !matches(excluded, bare(path)))) {
    const { category = '', needed } = entry;
    const runpaths = runpathFolders(entry);
    for (const soname of needed.filter((name) => name !== '' && !matches(excluded, name))) {
      const name = `${category} ${soname}`;
      const isFound = folders.get(name)?.some((folder) => runpaths.has(folder)) ?? false;
      if (!own.has(name) && !isFound) {
        setOf(required, category).add(soname);
      }
    }
  }
  return required;
}

/** Category and file name to the folders: a library without a soname is found there by a run path. */
function foldersByName(entries: readonly NeededEntry[]): ReadonlyMap<string, string[]> {
  const folders = new Map<string, string[]>();
  for (const { category, path } of entries) {
    const name = `${category} ${posix.basename(path)}`;
    const known = folders.get(name) ?? [];
    known.push(posix.dirname(path));
    folders.set(name, known);
  }
  return folders;
}

function runpathFolders({ path, runpath }: NeededEntry): ReadonlySet<string> {
  const origin = posix.dirname(path);
  const folders = runpath.split(':').filter((folder) => folder !== '');
  return new Set(folders.map((folder) => runPathFolder(folder, origin)));
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

/** Patterns are about paths from the root, without the first slash, and about sonames. */
function exclusion(pattern: string): RegExp {
  return shellPattern(bare(pattern));
}

function bare(path: string): string {
  return path.replace(/^\/+/, '');
}

function matches(patterns: readonly RegExp[], text: string): boolean {
  return patterns.some((pattern) => pattern.test(text));
}
