import { parseCpv } from '../../gentoo/cpv.ts';
import { stanzaValue, stanzaValues } from '../../gentoo/index-scan.ts';
import { formatKnownStanza } from '../../gentoo/packages-index.ts';
import { isAppError } from '../../support/errors.ts';
import type { KnownIndex } from './known-index.ts';
import { readPackagePath } from './package-path.ts';
import type { SizedRequest } from './read-packages.ts';
import { exactSeconds, type FolderScan, type FoundFile, type Ignored } from './scan-folder.ts';

/** An entry that holds for its file. */
export interface KeptEntry {
  readonly path: string;
  readonly cpv: string;
  readonly stanza: string;
  /** Where it begins in the index that is there. */
  readonly start?: number | undefined;
  /** Of the file in the PKGDIR. */
  readonly order: number;
}

/** A file that has to be read, and why. */
export interface DueFile extends SizedRequest {
  readonly why: 'missing' | 'changed' | 'incomplete' | 'bad-cpv';
  readonly message: string;
  readonly order: number;
  /** Its entry, if what that says beside the package's own words holds. */
  readonly known?: string;
}

/** What an index and a PKGDIR have in common, and what not. */
export interface Comparison {
  readonly kept: readonly KeptEntry[];
  readonly due: readonly DueFile[];
  /** Entries without a file. */
  readonly stale: readonly { readonly path: string }[];
  readonly ignored: readonly Ignored[];
}

/**
 * Compares the entries of an index with the files of a PKGDIR. An entry is trusted when PATH, SIZE and MTIME agree
 * with the file and nothing that Portage needs is missing (`portage/dbapi/bintree.py:_populate_local`,
 * `portage/emaint/modules/binhost/binhost.py:_need_update`).
 */
export function compareWithFolder(index: KnownIndex, scan: FolderScan): Comparison {
  const kept: KeptEntry[] = [];
  const due: DueFile[] = [];
  const ignored = [...scan.ignored];
  for (const [order, file] of scan.files.entries()) {
    const known = index.stanzas.get(file.path);
    const judged = known === undefined ? MISSING : judgeExactly(file, known.text, { index, scan });
    if ('cpv' in judged) {
      const { text: stanza, start } = known ?? NOWHERE;
      kept.push({ path: file.path, cpv: judged.cpv, stanza, start, order });
      continue;
    }
    const place = readPackagePath(file.path);
    if (typeof place === 'string') {
      ignored.push({ path: file.path, reason: place });
      continue;
    }
    due.push({ path: file.path, size: file.size, ...judged, order });
  }
  return { kept, due, stale: staleEntries(index, kept, due), ignored };
}

function staleEntries(
  { stanzas }: KnownIndex,
  kept: readonly KeptEntry[],
  due: readonly DueFile[],
): { readonly path: string }[] {
  if (kept.length === stanzas.size) {
    return [];
  }
  const used = new Set([...kept, ...due].map(({ path }) => path));
  return [...stanzas.keys()].filter((path) => !used.has(path)).map((path) => ({ path }));
}

const NOWHERE = { text: '', start: undefined } as const;
const MISSING = { why: 'missing', message: 'It is not in the index.' } as const;

type Judgement = { readonly cpv: string } | Pick<DueFile, 'why' | 'message' | 'digests' | 'known'>;

/** Looks again at a file that may be one second older than it seems. */
function judgeExactly(
  file: FoundFile,
  stanza: string,
  { index, scan }: { readonly index: KnownIndex; readonly scan: FolderScan },
): Judgement {
  const judged = judge(file, stanza, index.header);
  if ('cpv' in judged || stanzaValue(stanza, 'MTIME') !== String(file.mtimeSeconds - 1)) {
    return judged;
  }
  const mtimeSeconds = exactSeconds(scan.pkgdir, file.path);
  return judge({ ...file, mtimeSeconds }, stanza, index.header);
}

function judge(file: FoundFile, stanza: string, header: ReadonlyMap<string, string>): Judgement {
  const size = stanzaValue(stanza, 'SIZE') ?? '';
  const mtime = stanzaValue(stanza, 'MTIME') ?? '';
  if (size !== String(file.size) || mtime !== String(file.mtimeSeconds)) {
    const message = `It has ${file.size} bytes of ${file.mtimeSeconds}; the index says ${size} of ${mtime}.`;
    return { why: 'changed', message };
  }
  const cpv = stanzaValue(stanza, 'CPV') ?? '';
  if (!belongsTo(cpv, file.path)) {
    return { why: 'bad-cpv', message: `The index has the CPV "${cpv}" for it.` };
  }
  const incomplete = incompleteness(file.path, stanza, header);
  return incomplete === undefined ? { cpv } : { why: 'incomplete', ...incomplete };
}

function incompleteness(
  path: string,
  stanza: string,
  header: ReadonlyMap<string, string>,
): Pick<DueFile, 'message' | 'digests' | 'known'> | undefined {
  if (!hasDigests(stanza)) {
    return { message: 'The index has no digests for it.' };
  }
  const needed = path.endsWith('.tbz2') ? ['CHOST', 'REPO', 'PATH'] : ['CHOST', 'REPO'];
  const lacking = needed.find(
    (key) => (key === 'PATH' || !header.has(key)) && stanzaValue(stanza, key) === undefined,
  );
  if (lacking === undefined) {
    return undefined;
  }
  const message = `The index has no ${lacking} for it.`;
  const [md5 = '', sha1 = ''] = [stanzaValue(stanza, 'MD5'), stanzaValue(stanza, 'SHA1')];
  return { message, digests: { md5, sha1 }, known: stanza };
}

/** Whether there is an MD5, and it and the SHA1, if there is one, are as Portage writes them. */
function hasDigests(stanza: string): boolean {
  const md5 = stanza.indexOf('\nMD5: ');
  const sha1 = stanza.indexOf('\nSHA1: ', md5);
  return (
    md5 >= 0 &&
    isDigest(MD5, stanza, md5 + '\nMD5: '.length) &&
    (sha1 < 0 ? !stanza.includes('SHA1: ') : isDigest(SHA1, stanza, sha1 + '\nSHA1: '.length))
  );
}

function isDigest(digest: RegExp, stanza: string, start: number): boolean {
  digest.lastIndex = start;
  return digest.test(stanza);
}

/** What a package does not say and its entry keeps when it is read again (`_populate_local`). */
export function completed(stanza: string, { known = '' }: Pick<DueFile, 'known'>): string {
  const kept = INDEX_ONLY_KEYS.flatMap((key) => {
    const value = stanzaValue(known, key);
    return value === undefined ? [] : [[key, value] as const];
  });
  return kept.length === 0
    ? stanza
    : formatKnownStanza(Object.fromEntries([...stanzaValues(stanza), ...kept]), 'entry');
}

/** Whether a CPV is one, and a package of this CPV may lie in this place. */
function belongsTo(cpv: string, path: string): boolean {
  try {
    const { category, pn, pf } = parseCpv(cpv);
    const slash = path.lastIndexOf('/');
    const folder = path.slice(0, slash);
    const name = path.slice(slash + 1);
    if (!name.startsWith(pf)) {
      return false;
    }
    const rest = name.slice(pf.length);
    return rest.startsWith('-')
      ? folder === `${category}/${pn}` && NUMBERED.test(rest)
      : (folder === category || folder === 'All') && SINGLE.test(rest);
  } catch (error) {
    if (isAppError(error, 'invalid-cpv')) {
      return false;
    }
    throw error;
  }
}

const MD5 = /[0-9a-f]{32}\n/y;
const SHA1 = /[0-9a-f]{40}\n/y;
const INDEX_ONLY_KEYS = [
  'BASE_URI',
  'DESC',
  'FETCHCOMMAND',
  'PKGINDEX_URI',
  'RESUMECOMMAND',
] as const;
const NUMBERED = /^-[1-9][0-9]*\.(?:gpkg\.tar|xpak)$/;
const SINGLE = /^\.(?:gpkg\.tar|tbz2)$/;
