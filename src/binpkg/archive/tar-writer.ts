import {
  BLOCK_BYTES,
  encodeTarHeader,
  fitsUstar,
  paddingAfter,
  RECORD_BYTES,
} from './tar-header.ts';
import type { TarEntryType } from './tar-reader.ts';

export type NewTarEntryType = Extract<TarEntryType, 'file' | 'hardlink' | 'symlink' | 'directory'>;

/** An entry to be written. */
export interface NewTarEntry {
  /** Without a slash at the end. */
  readonly path: string;
  readonly type: NewTarEntryType;
  readonly linkPath?: string;
  /** Bytes of content that follow; 0 for all but files. */
  readonly size: number;
  /** Default 0644. */
  readonly mode?: number;
  /** Name of the owner and the group. Default: none. */
  readonly owner?: string;
  /** Instead of `owner`, where the two differ or have ids. A name that has no room is left out. */
  readonly ownership?: {
    readonly uid: number;
    readonly gid: number;
    readonly uname: string;
    readonly gname: string;
  };
  readonly mtimeSeconds: number;
}

export type TarFormat = 'ustar' | 'gnu';

const TYPEFLAGS: Readonly<Record<NewTarEntryType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  directory: '5',
};
const NAME_BYTES = 100;
const OWNER_BYTES = 32;

/**
 * The blocks before an entry's content, as Python's tarfile writes them for Portage. In the GNU format a name
 * above 100 bytes gets an entry of its own before it.
 *
 * Throws `tar-name-too-long` and `tar-number` where ustar has no room.
 */
export function tarEntryHeader(entry: NewTarEntry, format: TarFormat): Buffer {
  const name = entry.type === 'directory' ? `${entry.path}/` : entry.path;
  const linkname = entry.linkPath ?? '';
  const { uid, gid, uname, gname } = ownershipOf(entry);
  return Buffer.concat([
    ...(format === 'gnu' ? longName(linkname, 'K') : []),
    ...(format === 'gnu' ? longName(name, 'L') : []),
    encodeTarHeader({
      name,
      mode: entry.mode ?? 0o644,
      uid,
      gid,
      size: entry.size,
      mtimeSeconds: entry.mtimeSeconds,
      typeflag: TYPEFLAGS[entry.type],
      linkname,
      magic: format,
      uname,
      gname,
    }),
  ]);
}

function ownershipOf({
  owner = '',
  ownership,
}: NewTarEntry): NonNullable<NewTarEntry['ownership']> {
  if (ownership === undefined) {
    return { uid: 0, gid: 0, uname: owner, gname: owner };
  }
  const { uid, gid, uname, gname } = ownership;
  return { uid, gid, uname: fittingName(uname), gname: fittingName(gname) };
}

function fittingName(name: string): string {
  return Buffer.byteLength(name) < OWNER_BYTES ? name : '';
}

/** The simplest format that holds the entry. */
export function formatFor(entry: NewTarEntry): TarFormat {
  const name = entry.type === 'directory' ? `${entry.path}/` : entry.path;
  return fitsUstar({ name, linkname: entry.linkPath ?? '', size: entry.size }) ? 'ustar' : 'gnu';
}

/** Zeros after an entry's content. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc(paddingAfter(size));
}

/** Two blocks of zeros, and more up to a whole record, for an archive of `written` bytes so far. */
export function tarEnd(written: number): Buffer {
  const least = written + 2 * BLOCK_BYTES;
  return Buffer.alloc(Math.ceil(least / RECORD_BYTES) * RECORD_BYTES - written);
}

/** A whole archive of small files in memory. */
export function tarOf(
  entries: Iterable<{ readonly entry: Omit<NewTarEntry, 'size'>; readonly content: Buffer }>,
  format: TarFormat,
): Buffer {
  const parts: Buffer[] = [];
  let written = 0;
  const put = (part: Buffer): void => {
    parts.push(part);
    written += part.length;
  };
  for (const { entry, content } of entries) {
    put(tarEntryHeader({ ...entry, size: content.length }, format));
    put(content);
    put(tarPadding(content.length));
  }
  put(tarEnd(written));
  return Buffer.concat(parts);
}

function longName(name: string, typeflag: 'L' | 'K'): Buffer[] {
  const bytes = Buffer.from(name);
  if (bytes.length <= NAME_BYTES) {
    return [];
  }
  const header = encodeTarHeader({
    name: '././@LongLink',
    mode: 0,
    uid: 0,
    gid: 0,
    size: bytes.length + 1,
    mtimeSeconds: 0,
    typeflag,
    linkname: '',
    magic: 'gnu',
    uname: '',
    gname: '',
  });
  return [header, bytes, Buffer.alloc(1 + paddingAfter(bytes.length + 1))];
}
