import { isAscii } from 'node:buffer';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { decodeIndex, type IndexFault, scanIndex, stanzaValue } from '../../gentoo/index-scan.ts';
import { AppError, isErrno } from '../../support/errors.ts';
import { type PackedBlocks, readPackedBlocks } from './packed-blocks.ts';

/** The index that is there, however it looks. */
export interface KnownIndex {
  readonly header: ReadonlyMap<string, string>;
  /** In the order of the file; all of one PATH but the last are gone. */
  readonly stanzas: ReadonlyMap<string, KnownStanza>;
  /** What makes the index differ from any that Portage would write, beside its entries. */
  readonly faults: readonly IndexFileFault[];
  /** The header as it stands in the text, with the empty line behind it. */
  readonly headerText: string;
  /** The whole index, if it is ASCII with line feeds alone: then positions in the text are those of the bytes. */
  readonly bytes: Buffer | undefined;
  /** False when it was written with FEATURES=-compress-index: there is no `Packages.gz`, and none is wanted. */
  readonly isCompressed: boolean;
  /** Is another one after the index was written again. */
  readonly state: string;
}

export interface KnownStanza {
  readonly text: string;
  /** Where it begins in the text of the index. */
  readonly start: number;
}

export interface IndexFileFault {
  readonly kind: 'damaged-index' | 'compressed-index' | 'duplicate';
  readonly message: string;
}

export const INDEX_NAME = 'Packages';
export const COMPRESSED_NAME = 'Packages.gz';
/** Portage reads indexes of this and earlier versions (`portage/dbapi/bintree.py:_pkgindex_version`). */
const VERSION = 0;
const MAX_BYTES = 400 * 1024 * 1024;
const CARRIAGE_RETURN = 13;
const RETURNS: IndexFileFault = {
  kind: 'damaged-index',
  message:
    'Lines of the index end with a carriage return, which clients take for a part of the value.',
};

/**
 * Reads the index of a PKGDIR. One of an unknown version counts as none, as for Portage.
 *
 * Throws `index-too-large`.
 */
export function readKnownIndex(pkgdir: string): KnownIndex {
  const state = indexState(pkgdir);
  const bytes = readIfThere(join(pkgdir, INDEX_NAME));
  if (bytes === undefined) {
    const message = 'There is no index.';
    return noIndex(state, message);
  }
  const hasReturns = bytes.includes(CARRIAGE_RETURN);
  const text = decodeIndex(bytes);
  const { header, stanzas, starts, faults } = scanIndex(text);
  const version = header.get('VERSION') ?? '';
  if (!/^-?[0-9]+$/.test(version) || Number(version) > VERSION) {
    const message = `The index has the VERSION "${version}", which Portage does not read.`;
    return noIndex(state, message);
  }
  const { byPath, doubled } = byPaths(stanzas, starts);
  const isCompressed = wantsCompressed(header) || existsSync(join(pkgdir, COMPRESSED_NAME));
  return {
    state,
    header,
    headerText: text.slice(0, starts[0] ?? text.length),
    bytes: isAscii(bytes) && !hasReturns ? bytes : undefined,
    isCompressed,
    stanzas: byPath,
    faults: [
      ...(hasReturns ? [RETURNS] : []),
      ...faults.map(readable),
      ...doubled,
      ...timestampFaults(pkgdir, header.get('TIMESTAMP')),
      ...(isCompressed ? compressedFaults(pkgdir) : []),
    ],
  };
}

/** All of one PATH but the last are left out. */
function byPaths(
  stanzas: readonly string[],
  starts: readonly number[],
): { readonly byPath: ReadonlyMap<string, KnownStanza>; readonly doubled: IndexFileFault[] } {
  const byPath = new Map<string, KnownStanza>();
  const doubled: IndexFileFault[] = [];
  for (const [at, stanza] of stanzas.entries()) {
    const path = pathOf(stanza);
    if (byPath.delete(path)) {
      doubled.push({ kind: 'duplicate', message: `The PATH ${path} stands in the index twice.` });
    }
    byPath.set(path, { text: stanza, start: starts[at] ?? 0 });
  }
  return { byPath, doubled };
}

/** What tells one version of the index file from another. */
export function indexState(pkgdir: string): string {
  const file = join(pkgdir, INDEX_NAME);
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? '' : [stat.dev, stat.ino, stat.size, stat.ctimeNs].join(' ');
}

function noIndex(state: string, message: string): KnownIndex {
  const faults = [{ kind: 'damaged-index', message }] as const;
  const nothing = { header: new Map(), headerText: '', bytes: undefined, stanzas: new Map() };
  return { ...nothing, state, isCompressed: true, faults };
}

/** Portage says in the header how it was configured when it wrote the index. */
function wantsCompressed(header: ReadonlyMap<string, string>): boolean {
  return header.get('FEATURES')?.split(' ').includes('compress-index') ?? true;
}

/** Whether `Packages.gz` unpacks to exactly what `Packages` holds. */
export async function checkCompressedIndex(pkgdir: string): Promise<IndexFileFault[]> {
  const plain = readIfThere(join(pkgdir, INDEX_NAME));
  const packed = readIfThere(join(pkgdir, COMPRESSED_NAME));
  if (plain === undefined || packed === undefined) {
    return [];
  }
  const fault = async (): Promise<string | undefined> => {
    try {
      const options = { maxOutputLength: plain.length + 1 };
      const unpacked = await promisify(gunzip)(packed, options);
      return unpacked.equals(plain) ? undefined : 'holds something else than Packages';
    } catch {
      return 'cannot be unpacked to what Packages holds';
    }
  };
  const found = await fault();
  return found === undefined
    ? []
    : [{ kind: 'compressed-index', message: `${COMPRESSED_NAME} ${found}.` }];
}

/** The blocks of `Packages.gz`; none when somebody else wrote it. */
export function readPackedIndex(pkgdir: string): PackedBlocks {
  const packed = readIfThere(join(pkgdir, COMPRESSED_NAME));
  return packed === undefined ? new Map() : readPackedBlocks(packed);
}

/** Where an entry says its file is (`_populate_local`: without PATH it is an old XPAK). */
function pathOf(stanza: string): string {
  return stanzaValue(stanza, 'PATH') ?? `${stanzaValue(stanza, 'CPV') ?? ''}.tbz2`;
}

function readable({ line, fault }: IndexFault): IndexFileFault {
  return { kind: 'damaged-index', message: `Line ${line} of the index: ${fault}.` };
}

/** Both files have to bear the time that TIMESTAMP says, or clients take a new index for an old one. */
function timestampFaults(pkgdir: string, timestamp: string | undefined): IndexFileFault[] {
  const plain = secondsOf(pkgdir, INDEX_NAME);
  if (plain === timestamp) {
    return [];
  }
  const message = `${INDEX_NAME} is of ${plain ?? 'nowhere'} and says ${timestamp ?? 'nothing'}.`;
  return [{ kind: 'damaged-index', message }];
}

function compressedFaults(pkgdir: string): IndexFileFault[] {
  const packed = secondsOf(pkgdir, COMPRESSED_NAME);
  if (packed === secondsOf(pkgdir, INDEX_NAME)) {
    return [];
  }
  const message =
    packed === undefined
      ? `There is no ${COMPRESSED_NAME}.`
      : `${COMPRESSED_NAME} is of another time than ${INDEX_NAME}.`;
  return [{ kind: 'compressed-index', message }];
}

function secondsOf(pkgdir: string, name: string): string | undefined {
  const stat = statSync(join(pkgdir, name), { throwIfNoEntry: false });
  return stat === undefined ? undefined : String(Math.floor(stat.mtimeMs / 1000));
}

function readIfThere(file: string): Buffer | undefined {
  try {
    const bytes = readFileSync(file);
    if (bytes.length > MAX_BYTES) {
      throw new AppError('index-too-large', `${file} has more than ${MAX_BYTES} bytes.`);
    }
    return bytes;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return undefined;
    }
    throw error;
  }
}
