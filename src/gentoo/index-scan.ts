import { isAscii } from 'node:buffer';
import { ENTRY_DEFAULTS, INHERITED_KEYS } from './packages-index.ts';

/**
 * A `Packages` file cut into its entries and nothing more: a value is looked for in the text when it is asked for
 * (`stanzaValue`). What Portage's own reader would stumble over or pass over in silence is a fault, not an error.
 */
export interface ScannedIndex {
  /** By written key. The last of several lines with one key counts, as in Portage. */
  readonly header: ReadonlyMap<string, string>;
  /** Lines of each entry, every one ended by a line feed, without the empty line behind them. */
  readonly stanzas: readonly string[];
  /** Where each of them begins in the text. */
  readonly starts: readonly number[];
  readonly faults: readonly IndexFault[];
}

export interface IndexFault {
  /** From 1 on. */
  readonly line: number;
  readonly fault: string;
}

/** Keys that an entry may have, by the written name, in the order of writing (`PackageIndex.write`). */
const ENTRY_KEYS = [
  'BASE_URI',
  'BDEPEND',
  'BUILD_ID',
  'BUILD_TIME',
  'CHOST',
  'CPV',
  'DEFINED_PHASES',
  'DEPEND',
  'DESC',
  'EAPI',
  'FETCHCOMMAND',
  'IDEPEND',
  'IUSE',
  'KEYWORDS',
  'LICENSE',
  'MD5',
  'PATH',
  'PDEPEND',
  'PKGINDEX_URI',
  'PROPERTIES',
  'PROVIDES',
  'RDEPEND',
  'REQUIRES',
  'RESTRICT',
  'RESUMECOMMAND',
  'SHA1',
  'SIZE',
  'SLOT',
  'USE',
  'MTIME',
  'REPO',
] as const;
const RANKS: ReadonlyMap<string, number> = new Map(ENTRY_KEYS.map((key, rank) => [key, rank]));
const MAX_FAULTS = 100;

/** The bytes of an index as text, as Portage reads a file: what is not UTF-8 is replaced, and a CR ends a line too. */
export function decodeIndex(bytes: Buffer): string {
  const text = bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8');
  return text.includes('\r') ? text.replaceAll(/\r\n?/g, '\n') : text;
}

/** Cuts the text of an index. Never throws. */
export function scanIndex(text: string): ScannedIndex {
  const faults: IndexFault[] = [];
  const addFault = (position: number, fault: string): void => {
    if (faults.length < MAX_FAULTS) {
      faults.push({ line: lineAt(text, position), fault });
    }
  };
  const end = text.endsWith('\n') ? text.length : text.length + 1;
  const headerEnd = text.startsWith('\n') ? 0 : endOfStanza(text, 0);
  const stanzas: string[] = [];
  const starts: number[] = [];
  for (let start = headerEnd + 1; start < end; ) {
    if (text.charCodeAt(start) === LINE_FEED) {
      addFault(start, 'an empty line too many hides everything behind it');
      start += 1;
      continue;
    }
    const stop = endOfStanza(text, start);
    const stanza = text.slice(start, stop);
    stanzas.push(stanza.endsWith('\n') ? stanza : `${stanza}\n`);
    starts.push(start);
    start = stop + 1;
  }
  const header = stanzaValues(text.slice(0, headerEnd));
  if (header.size === 0 && text !== '') {
    addFault(0, 'there is no header');
  }
  return { header, stanzas, starts, faults };
}

/** The value of a key in the text of an entry; undefined when there is none. */
export function stanzaValue(stanza: string, key: string): string | undefined {
  let needle = needles.get(key);
  if (needle === undefined) {
    needle = `\n${key}: `;
    needles.set(key, needle);
  }
  let start = stanza.indexOf(needle);
  if (start < 0 && !stanza.startsWith(needle.slice(1))) {
    return undefined;
  }
  start += needle.length;
  return stanza.slice(start, stanza.indexOf('\n', start));
}

/** What a line of a key begins with; making it anew for each entry would take as long as looking for it. */
const needles = new Map<string, string>();

/** All values of an entry or a header as Portage reads them: lines without a colon are passed over. */
export function stanzaValues(stanza: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of stanza.split('\n')) {
    const colon = line.indexOf(':');
    if (colon >= 0) {
      values.set(line.slice(0, colon), line.slice(colon + 2));
    }
  }
  return values;
}

/**
 * Whether an entry is exactly as Portage writes it below this header: known keys, each once and in order, no empty
 * or default values, nothing that the header gives already.
 */
export function isWrittenStanza(stanza: string, header: ReadonlyMap<string, string>): boolean {
  let before = -1;
  for (let start = 0; start < stanza.length; ) {
    const end = stanza.indexOf('\n', start);
    const colon = stanza.indexOf(': ', start);
    const key = stanza.slice(start, Math.max(start, colon));
    const rank = RANKS.get(key) ?? -1;
    if (rank <= before || end <= colon + 2) {
      return false;
    }
    before = rank;
    const value = stanza.slice(colon + 2, end);
    const inherited = INHERITED_KEYS.some((one) => one === key) && header.get(key) === value;
    if (inherited || ENTRY_DEFAULTS.get(key) === value) {
      return false;
    }
    start = end + 1;
  }
  return before >= 0;
}

/** Whether the index may have this key in an entry. */
export function isEntryKey(key: string): boolean {
  return RANKS.has(key);
}

const LINE_FEED = 10;

/** Where the line feed of the empty line behind a stanza stands, or the end of the text. */
function endOfStanza(text: string, start: number): number {
  const found = text.indexOf('\n\n', start);
  return found < 0 ? text.length : found + 1;
}

function lineAt(text: string, position: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < position; at = text.indexOf('\n', at + 1)) {
    line += 1;
  }
  return line;
}
