import { isEntryKey, isWrittenStanza, stanzaValue, stanzaValues } from '../../gentoo/index-scan.ts';
import { formatKnownStanza, INHERITED_KEYS } from '../../gentoo/packages-index.ts';
import { cutRuns } from '../../support/runs.ts';
import type { KeptEntry } from './compare.ts';
import { blockName, type PackedBlocks } from './packed-blocks.ts';

/** A package that has another one's CPV and BUILD_ID, or is the same package in a second place. */
export interface Duplicate {
  readonly cpv: string;
  readonly paths: readonly string[];
}

export interface AssembledIndex {
  /** The header, then entries in groups that stay the same when others change. Together the text of the index. */
  readonly blocks: readonly IndexBlock[];
  /** Those that are in it. */
  readonly entries: readonly KeptEntry[];
  /** Left out, since another file is the same instance for Portage. */
  readonly same: readonly Duplicate[];
  readonly duplicates: readonly Duplicate[];
}

export interface IndexBlock {
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * The text of an index of these entries, as `portage/getbinpkg.py:PackageIndex.write` makes it. Of files that are
 * one instance for Portage (same CPV, BUILD_ID, SIZE, BUILD_TIME, MTIME) only the last one that it meets is in it. Blocks whose
 * name is in `written` were written below the same header before: their entries need no second look.
 */
export function assembleIndex(
  entries: readonly KeptEntry[],
  header: ReadonlyMap<string, string>,
  options: {
    readonly timestampSeconds: number;
    readonly written?: Pick<PackedBlocks, 'has'>;
    /** The index that is there, whole. */
    readonly bytes?: Buffer | undefined;
    /** Places of files; is asked only when several are one instance. */
    readonly walkOrder: () => ReadonlyMap<string, number>;
  },
): AssembledIndex {
  const { unique, same } = withoutSame(entries, options.walkOrder);
  const complete = {
    ...Object.fromEntries(header),
    TIMESTAMP: String(options.timestampSeconds),
    PACKAGES: String(unique.length),
  };
  const blocks = [blockOf([{ stanza: formatKnownStanza(complete, 'header') }], undefined)];
  const written: (readonly KeptEntry[])[] = [];
  for (const group of cutRuns(unique, ({ cpv }) => cpv)) {
    const asTheyAre = blockOf(group, options.bytes);
    if (options.written?.has(asTheyAre.name) === true) {
      blocks.push(asTheyAre);
      written.push(group);
    } else {
      const clean = group.map((one) => {
        const stanza = writtenStanza(one.stanza, header);
        return stanza === one.stanza ? one : { ...one, stanza, start: undefined };
      });
      blocks.push(blockOf(clean, options.bytes));
      written.push(clean);
    }
  }
  const all = written.flat();
  return { blocks, entries: all, same, duplicates: duplicatesIn(all) };
}

type Piece = Pick<KeptEntry, 'stanza' | 'start'>;

function blockOf(entries: readonly Piece[], known: Buffer | undefined): IndexBlock {
  const bytes = bytesInPlace(entries, known) ?? Buffer.from(textOf(entries));
  return { name: blockName(bytes), bytes };
}

/** Entries that follow one another in the index that is there need not be put together again. */
function bytesInPlace(entries: readonly Piece[], known: Buffer | undefined): Buffer | undefined {
  const first = entries[0]?.start;
  if (first === undefined || known === undefined) {
    return undefined;
  }
  let end = first;
  for (const { stanza, start } of entries) {
    if (start !== end) {
      return undefined;
    }
    end += stanza.length + 1;
  }
  return end <= known.length ? known.subarray(first, end) : undefined;
}

function textOf(entries: readonly Piece[]): string {
  return entries.map(({ stanza }) => `${stanza}\n`).join('');
}

/**
 * The header of a new index: what packages agree on, so that a client without a profile knows it
 * (`portage/dbapi/bintree.py:_merge_pkgindex_header`). An index that is there keeps its own.
 */
export function headerFor(
  known: ReadonlyMap<string, string>,
  entries: readonly KeptEntry[],
): ReadonlyMap<string, string> {
  if (known.size > 0) {
    return known;
  }
  const header = new Map([['VERSION', '0']]);
  const chost = commonChost(entries);
  const [arch = '', ...arches] = commonArches(entries);
  for (const [key, value] of [
    ['CHOST', chost],
    ['ARCH', arches.length === 0 ? arch : ''],
  ] as const) {
    if (value !== '') {
      header.set(key, value);
    }
  }
  return header;
}

/** The CHOST of most packages: Portage puts in the one it is configured with, whatever some packages say. */
function commonChost(entries: readonly KeptEntry[]): string {
  const counts = new Map<string, number>();
  for (const { stanza } of entries) {
    const chost = stanzaValue(stanza, 'CHOST');
    if (chost !== undefined) {
      counts.set(chost, (counts.get(chost) ?? 0) + 1);
    }
  }
  const [most] = [...counts].toSorted(([, left], [, right]) => right - left);
  return most?.[0] ?? '';
}

/** Packages whose CPV and BUILD_ID are those of another one. Portage takes one of them, and it may be either. */
export function findDuplicates(entries: readonly KeptEntry[]): Duplicate[] {
  return duplicatesIn(inIndexOrder(entries));
}

function duplicatesIn(sorted: readonly KeptEntry[]): Duplicate[] {
  const found: Duplicate[] = [];
  for (const run of runsOf(sorted)) {
    const byBuildId = groupBy(run, (entry) => String(buildIdOf(entry)));
    for (const group of byBuildId.filter(({ length }) => length > 1)) {
      found.push({ cpv: group[0]?.cpv ?? '', paths: group.map(({ path }) => path) });
    }
  }
  return found;
}

/** The last of each instance, in the order of the index. */
function withoutSame(
  entries: readonly KeptEntry[],
  walkOrder: () => ReadonlyMap<string, number>,
): {
  readonly unique: readonly KeptEntry[];
  readonly same: readonly Duplicate[];
} {
  const sorted = inIndexOrder(entries);
  const dropped = new Set<KeptEntry>();
  const same: Duplicate[] = [];
  let places: ReadonlyMap<string, number> | undefined;
  for (const run of runsOf(sorted)) {
    for (const group of groupBy(run, instanceKey).filter(({ length }) => length > 1)) {
      places ??= walkOrder();
      const twins = group.toSorted((a, b) => placeOf(a, places) - placeOf(b, places));
      same.push({ cpv: twins[0]?.cpv ?? '', paths: twins.map(({ path }) => path) });
      for (const twin of twins.slice(0, -1)) {
        dropped.add(twin);
      }
    }
  }
  return { unique: dropped.size === 0 ? sorted : sorted.filter((one) => !dropped.has(one)), same };
}

function placeOf({ path }: KeptEntry, places: ReadonlyMap<string, number> | undefined): number {
  return places?.get(path) ?? 0;
}

/** By CPV as a string, then by BUILD_ID, then as the files come. */
function inIndexOrder(entries: readonly KeptEntry[]): KeptEntry[] {
  return entries.toSorted((a, b) => {
    if (a.cpv === b.cpv) {
      return buildIdOf(a) - buildIdOf(b) || a.order - b.order;
    }
    return a.cpv < b.cpv ? -1 : 1;
  });
}

/** Neighbours with one CPV, where there is more than one. */
function runsOf(sorted: readonly KeptEntry[]): KeptEntry[][] {
  const runs: KeptEntry[][] = [];
  for (let start = 0; start < sorted.length; ) {
    let end = start + 1;
    while (end < sorted.length && sorted[end]?.cpv === sorted[start]?.cpv) {
      end += 1;
    }
    if (end - start > 1) {
      runs.push(sorted.slice(start, end));
    }
    start = end;
  }
  return runs;
}

function groupBy(
  entries: readonly KeptEntry[],
  keyOf: (entry: KeptEntry) => string,
): KeptEntry[][] {
  const groups = new Map<string, KeptEntry[]>();
  for (const entry of entries) {
    const key = keyOf(entry);
    const group = groups.get(key);
    if (group === undefined) {
      groups.set(key, [entry]);
    } else {
      group.push(entry);
    }
  }
  return [...groups.values()];
}

function buildIdOf({ stanza }: KeptEntry): number {
  return Number(stanzaValue(stanza, 'BUILD_ID') ?? 0);
}

/** `portage/dbapi/virtual.py:_instance_key_multi_instance`. */
function instanceKey({ stanza }: KeptEntry): string {
  return ['BUILD_ID', 'SIZE', 'BUILD_TIME', 'MTIME']
    .map((key) => stanzaValue(stanza, key) ?? '')
    .join(' ');
}

/** An entry as it is written below a header. */
export function writtenStanza(stanza: string, header: ReadonlyMap<string, string>): string {
  if (isWrittenStanza(stanza, header)) {
    return stanza;
  }
  const values = [...stanzaValues(stanza)].filter(
    ([key, value]) =>
      isEntryKey(key) &&
      !INHERITED_KEYS.some((inherited) => inherited === key && header.get(key) === value),
  );
  return formatKnownStanza(Object.fromEntries(values), 'entry');
}

/** Words that stand in USE and KEYWORDS of every package: the architecture, if there is one alone. */
function commonArches(entries: readonly KeptEntry[]): string[] {
  let common: string[] | undefined;
  for (const { stanza } of entries) {
    const keywords = stanzaValue(stanza, 'KEYWORDS');
    if (keywords === undefined) {
      continue;
    }
    const use = new Set((stanzaValue(stanza, 'USE') ?? '').split(' '));
    const words = keywords.split(' ').map((word) => word.replace(/^[-~]/, ''));
    common = [
      ...new Set((common ?? words).filter((word) => use.has(word) && words.includes(word))),
    ];
  }
  return common ?? [];
}
