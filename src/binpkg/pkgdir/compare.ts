import { parseCpv } from '../../gentoo/cpv.ts';
import { stanzaValue } from '../../gentoo/index-scan.ts';
import { isAppError } from '../../support/errors.ts';
import type { KnownIndex } from './known-index.ts';
import { readPackagePath } from './package-path.ts';
import type { FileDigests } from './read-package.ts';
import type { SizedRequest } from './read-packages.ts';
import type { FolderScan, FoundFile, Ignored } from './scan-folder.ts';

/** An entry that holds for its file. */
export interface KeptEntry {
  readonly path: string;
  readonly cpv: string;
  readonly stanza: string;
  /** Of the file in the PKGDIR. */
  readonly order: number;
}

/** A file that has to be read, and why. */
export interface DueFile extends SizedRequest {
  readonly why: 'missing' | 'changed' | 'incomplete' | 'bad-cpv';
  readonly message: string;
  readonly order: number;
}

/** What an index and a PKGDIR have in common, and what not. */
export interface Comparison {
  readonly kept: readonly KeptEntry[];
  readonly due: readonly DueFile[];
  /** Entries without a file. */
  readonly stale: readonly { readonly path: string; readonly stanza: string }[];
  readonly ignored: readonly Ignored[];
}

const MD5 = /^[0-9a-f]{32}$/;
const SHA1 = /^[0-9a-f]{40}$/;

/**
 * Compares the entries of an index with the files of a PKGDIR. An entry is trusted when PATH, SIZE and MTIME agree
 * with the file and nothing that Portage needs is missing (`portage/dbapi/bintree.py:_populate_local`,
 * `portage/emaint/modules/binhost/binhost.py:_need_update`).
 */
export function compareWithFolder(index: KnownIndex, scan: FolderScan): Comparison {
  const kept: KeptEntry[] = [];
  const due: DueFile[] = [];
  const ignored = [...scan.ignored];
  const used = new Set<string>();
  for (const [order, file] of scan.files.entries()) {
    const stanza = index.stanzas.get(file.path);
    const judged = stanza === undefined ? MISSING : judge(file, stanza, index.header);
    if ('cpv' in judged) {
      kept.push({ path: file.path, cpv: judged.cpv, stanza: stanza ?? '', order });
      used.add(file.path);
      continue;
    }
    const place = readPackagePath(file.path);
    if (typeof place === 'string') {
      ignored.push({ path: file.path, reason: place });
      continue;
    }
    used.add(file.path);
    due.push({ path: file.path, size: file.size, ...judged, order });
  }
  const stale = [...index.stanzas]
    .filter(([path]) => !used.has(path))
    .map(([path, stanza]) => ({ path, stanza }));
  return { kept, due, stale, ignored };
}

const MISSING = { why: 'missing', message: 'It is not in the index.' } as const;

type Judgement =
  | { readonly cpv: string }
  | (Pick<DueFile, 'why' | 'message'> & { readonly digests?: FileDigests });

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
  const incomplete = incompleteness(stanza, header);
  return incomplete === undefined ? { cpv } : { why: 'incomplete', ...incomplete };
}

function incompleteness(
  stanza: string,
  header: ReadonlyMap<string, string>,
): { readonly message: string; readonly digests?: FileDigests } | undefined {
  const md5 = stanzaValue(stanza, 'MD5') ?? '';
  const sha1 = stanzaValue(stanza, 'SHA1');
  if (!MD5.test(md5) || (sha1 !== undefined && !SHA1.test(sha1))) {
    return { message: 'The index has no digests for it.' };
  }
  const lacking = ['CHOST', 'REPO', 'PATH'].find(
    (key) => stanzaValue(stanza, key) === undefined && (key === 'PATH' || !header.has(key)),
  );
  if (lacking === undefined) {
    return undefined;
  }
  const message = `The index has no ${lacking} for it.`;
  return sha1 === undefined ? { message } : { message, digests: { md5, sha1 } };
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

const NUMBERED = /^-[1-9][0-9]*\.(?:gpkg\.tar|xpak)$/;
const SINGLE = /^\.(?:gpkg\.tar|tbz2)$/;
