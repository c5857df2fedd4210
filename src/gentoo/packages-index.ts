import { AppError } from '../support/errors.ts';
import { IndexReader, type IndexStanza } from './index-reader.ts';
import { isWholeText } from './whitespace.ts';

/**
 * The `Packages` file of a binhost (`portage/getbinpkg.py:PackageIndex`): a stanza of header keys, then a stanza for
 * each package, every one `KEY: value` lines ended by an empty line. Keys are the written ones: MTIME, REPO, DESC.
 */
export interface PackagesIndex {
  readonly header: IndexStanza;
  readonly entries: readonly IndexStanza[];
}

/** What an entry has when the key is absent (`portage/dbapi/bintree.py:binarytree.__init__`). */
export const ENTRY_DEFAULTS: ReadonlyMap<string, string> = new Map([
  ['BDEPEND', ''],
  ['BUILD_ID', ''],
  ['BUILD_TIME', ''],
  ['DEFINED_PHASES', ''],
  ['DEPEND', ''],
  ['EAPI', '0'],
  ['IDEPEND', ''],
  ['IUSE', ''],
  ['KEYWORDS', ''],
  ['LICENSE', ''],
  ['PATH', ''],
  ['PDEPEND', ''],
  ['PROPERTIES', ''],
  ['PROVIDES', ''],
  ['RDEPEND', ''],
  ['REQUIRES', ''],
  ['RESTRICT', ''],
  ['SLOT', '0'],
  ['USE', ''],
]);

/** Keys that an entry takes from the header when it has none of its own. */
export const INHERITED_KEYS = ['CHOST', 'REPO'] as const;

/** Portage sorts by these names and writes the others. */
const INTERNAL_NAMES: ReadonlyMap<string, string> = new Map([
  ['DESC', 'DESCRIPTION'],
  ['MTIME', '_mtime_'],
  ['REPO', 'repository'],
]);
const KEY = /^[A-Za-z_][A-Za-z0-9_]*$/;
const CPV_LINE = /(?:^|\n)CPV: ([^\n]*)\n/;

/**
 * Reads a whole index, strictly (`IndexReader`).
 *
 * Throws `invalid-packages-index` with the number of the line.
 */
export function parsePackagesIndex(text: string): PackagesIndex {
  const reader = new IndexReader();
  const [header = new Map<string, string>(), ...entries] = [...reader.push(text), ...reader.end()];
  return { header, entries };
}

/** The value that Portage sees: the entry's own, the header's, or the default; undefined where there is none. */
export function valueOf(
  index: PackagesIndex,
  entry: ReadonlyMap<string, string>,
  key: string,
): string | undefined {
  const isInherited = INHERITED_KEYS.some((inherited) => inherited === key);
  const fromHeader = isInherited ? index.header.get(key) : undefined;
  return entry.get(key) ?? ENTRY_DEFAULTS.get(key) ?? fromHeader;
}

/**
 * One stanza without the empty line behind it: keys in Portage's order, empty values and defaults left out
 * (`PackageIndex.write`).
 *
 * Throws `invalid-index-value` for a key or value that cannot stand on one line.
 */
export function formatIndexStanza(
  values: Readonly<Record<string, string>>,
  kind: 'header' | 'entry',
): string {
  for (const [key, value] of Object.entries(values)) {
    checkValue(key, value);
  }
  return formatKnownStanza(values, kind);
}

/** The same for values that come from lines of an index: they are written whatever they are, as Portage does. */
export function formatKnownStanza(
  values: Readonly<Record<string, string>>,
  kind: 'header' | 'entry',
): string {
  return Object.entries(values)
    .filter(
      ([key, value]) => value !== '' && !(kind === 'entry' && ENTRY_DEFAULTS.get(key) === value),
    )
    .map(([key, value]) => ({
      name: INTERNAL_NAMES.get(key) ?? key,
      line: `${key}: ${value}\n`,
    }))
    .toSorted((left, right) => (left.name < right.name ? -1 : 1))
    .map(({ line }) => line)
    .join('');
}

/**
 * The text of an index out of its header (TIMESTAMP and PACKAGES included) and stanzas as `formatIndexEntry` gives
 * them. They are put into the order of their CPVs as strings; those of one CPV stay as they came. What an entry
 * inherits from the header is left out of it.
 *
 * Throws `invalid-index-value`, also for a stanza without CPV or with an empty line in it.
 */
export function formatPackagesIndex(
  header: Readonly<Record<string, string>>,
  stanzas: readonly string[],
): string {
  return `${formatIndexStanza(header, 'header')}\n${formatIndexEntries(header, stanzas)}`;
}

/** The entries alone, as they stand below this header. Throws as `formatPackagesIndex` does. */
export function formatIndexEntries(
  header: Readonly<Record<string, string>>,
  stanzas: readonly string[],
): string {
  const inherited = inheritedLines(header).map((line) => `\n${line}`);
  return stanzas
    .map((stanza) => ({ cpv: cpvOf(stanza), stanza }))
    .toSorted((left, right) => compare(left.cpv, right.cpv))
    .map(({ stanza }) => `${withoutLines(stanza, inherited)}\n`)
    .join('');
}

/** The lines that entries leave to this header. */
export function inheritedLines(header: Readonly<Record<string, string>>): string[] {
  return INHERITED_KEYS.flatMap((key) => {
    const value = header[key] ?? '';
    return value === '' ? [] : [`${key}: ${value}\n`];
  });
}

function checkValue(key: string, value: string): void {
  if (!KEY.test(key) || !isWholeText(value)) {
    throw new AppError(
      'invalid-index-value',
      `${JSON.stringify(`${key}: ${value}`.slice(0, 200))} cannot be a line of the index.`,
      { details: { key } },
    );
  }
}

function cpvOf(stanza: string): string {
  const cpv = CPV_LINE.exec(stanza)?.[1];
  if (cpv === undefined || !stanza.endsWith('\n') || stanza.includes('\n\n')) {
    throw new AppError(
      'invalid-index-value',
      `${JSON.stringify(stanza.slice(0, 200))} cannot be an entry of the index.`,
    );
  }
  return cpv;
}

function withoutLines(stanza: string, lines: readonly string[]): string {
  let text = `\n${stanza}`;
  for (const line of lines) {
    text = text.replace(line, '\n');
  }
  return text.slice(1);
}

function compare(left: string, right: string): number {
  if (left === right) {
    return 0;
  }
  return left < right ? -1 : 1;
}
