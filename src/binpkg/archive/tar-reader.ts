import { AppError } from '../../support/errors.ts';
import { DEFAULT_LIMITS, type PackageLimits } from '../limits.ts';
import type { ByteInput } from './byte-input.ts';
import { type PaxRecords, parsePaxRecords } from './pax-records.ts';
import {
  BLOCK_BYTES,
  decodeName,
  decodeTarHeader,
  isZero,
  paddingAfter,
  type TarHeader,
} from './tar-header.ts';

export type TarEntryType =
  | 'file'
  | 'hardlink'
  | 'symlink'
  | 'character-device'
  | 'block-device'
  | 'directory'
  | 'fifo';

/** One entry, with long names and pax records applied. */
export interface TarEntry {
  /** As it stands there; only slashes at the end of a folder's name are gone. */
  readonly path: string;
  readonly type: TarEntryType;
  /** Target of a link, else empty. */
  readonly linkPath: string;
  /** Bytes of content; 0 for all but files. */
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly uname: string;
  readonly gname: string;
  readonly mtimeSeconds: number;
  /** Of the first byte of content, from the start of the input. */
  readonly offset: number;
}

export type TarLimits = Pick<PackageLimits, 'tarExtensionBytes'>;

const TYPES: ReadonlyMap<string, TarEntryType> = new Map([
  ['0', 'file'],
  ['1', 'hardlink'],
  ['2', 'symlink'],
  ['3', 'character-device'],
  ['4', 'block-device'],
  ['5', 'directory'],
  ['6', 'fifo'],
  ['7', 'file'],
]);

interface Extensions {
  longName?: string;
  longLink?: string;
  records?: PaxRecords;
}

/**
 * Reads a tar archive entry by entry: ustar, GNU (long names, base-256 numbers), pax and v7, as Python's tarfile
 * reads them. The first block of zeros ends it, and so does the end of the input at a block boundary.
 *
 * Refused as ambiguous or hostile: sparse files and other special types (`tar-type-unsupported`), content on
 * something that is no file (`tar-size`), two extensions that name the same thing, a global pax header that
 * names a file, and a file named like a folder (`tar-ambiguous`), extensions above the limit (`tar-extension-too-large`), malformed pax records
 * (`tar-pax`), an input that ends within an entry (`tar-truncated`), and what `decodeTarHeader` throws.
 */
export class TarReader {
  readonly #input: ByteInput;
  readonly #limits: TarLimits;
  #global: PaxRecords = new Map();
  /** Where the header after the present entry stands. */
  #next = 0;
  #ended = false;

  constructor(input: ByteInput, limits: TarLimits = DEFAULT_LIMITS) {
    this.#input = input;
    this.#limits = limits;
  }

  /** The next entry; what was not read of the present one is passed over. Undefined at the end. */
  async next(): Promise<TarEntry | undefined> {
    const extensions: Extensions = {};
    for (;;) {
      const header = await this.#header(extensions);
      if (header === undefined) {
        return undefined;
      }
      if (!(await this.#readExtension(header, extensions))) {
        return this.#entry(header, extensions);
      }
    }
  }

  /** Content of the entry that `next` gave last. */
  async *content(entry: TarEntry): AsyncGenerator<Buffer> {
    let left = entry.size;
    for await (const piece of this.#input.pieces(entry.size)) {
      left -= piece.length;
      yield piece;
    }
    if (left > 0) {
      throw truncated(this.#input.position);
    }
  }

  async #header(extensions: Extensions): Promise<TarHeader | undefined> {
    const behind = this.#next - this.#input.position;
    if (this.#ended) {
      return undefined;
    }
    if ((await this.#input.skip(behind)) < behind) {
      throw truncated(this.#input.position);
    }
    const block = await this.#input.take(BLOCK_BYTES);
    if (isZero(block)) {
      this.#ended = true;
      if (Object.keys(extensions).length > 0) {
        throw truncated(this.#input.position);
      }
      return undefined;
    }
    if (block.length < BLOCK_BYTES) {
      throw truncated(this.#input.position);
    }
    const { longName, longLink, records } = extensions;
    const header = decodeTarHeader(block, {
      name: longName !== undefined || records?.has('path') === true,
      linkname: longLink !== undefined || records?.has('linkpath') === true,
    });
    this.#next = this.#input.position;
    return header;
  }

  async #readExtension(header: TarHeader, extensions: Extensions): Promise<boolean> {
    switch (header.typeflag) {
      case 'L':
        refuseTwice(extensions.longName !== undefined, 'name');
        extensions.longName = await this.#longName(header);
        return true;
      case 'K':
        refuseTwice(extensions.longLink !== undefined, 'link target');
        extensions.longLink = await this.#longName(header);
        return true;
      case 'x':
        refuseTwice(extensions.records !== undefined, 'pax header');
        extensions.records = parsePaxRecords(await this.#extensionBytes(header));
        return true;
      case 'g':
        this.#global = globalRecords(parsePaxRecords(await this.#extensionBytes(header)));
        return true;
      default:
        return false;
    }
  }

  async #longName(header: TarHeader): Promise<string> {
    const bytes = await this.#extensionBytes(header);
    const end = bytes.indexOf(0);
    return decodeName(end === -1 ? bytes : bytes.subarray(0, end), 'long name');
  }

  async #extensionBytes(header: TarHeader): Promise<Buffer> {
    const most = this.#limits.tarExtensionBytes;
    if (header.size > most) {
      throw new AppError(
        'tar-extension-too-large',
        `A name or pax header of ${header.size} bytes is over the limit of ${most}.`,
        { details: { size: header.size, limit: most } },
      );
    }
    const bytes = await this.#input.take(header.size);
    if (bytes.length < header.size) {
      throw truncated(this.#input.position);
    }
    this.#next = this.#input.position + paddingAfter(header.size);
    return bytes;
  }

  #entry(header: TarHeader, extensions: Extensions): TarEntry {
    const records = new Map([...this.#global, ...(extensions.records ?? [])]);
    const name = oneOf('name', extensions.longName, records.get('path')) ?? header.name;
    const link = oneOf('link target', extensions.longLink, records.get('linkpath'));
    const type = entryType(header, name);
    const size = paxNumber(records, 'size') ?? header.size;
    checkSize(name, type, size);
    this.#next = this.#input.position + size + paddingAfter(size);
    return {
      path: type === 'directory' ? name.replace(/\/+$/, '') : name,
      type,
      linkPath: isLink(type) ? (link ?? header.linkname) : '',
      size,
      mode: header.mode & 0o7777,
      ...owner(header, records),
      mtimeSeconds: paxSeconds(records) ?? header.mtimeSeconds,
      offset: this.#input.position,
    };
  }
}

function oneOf(
  what: string,
  long: string | undefined,
  pax: string | undefined,
): string | undefined {
  refuseTwice(long !== undefined && pax !== undefined, what);
  return long ?? pax;
}

function owner(
  header: TarHeader,
  records: PaxRecords,
): Pick<TarEntry, 'uid' | 'gid' | 'uname' | 'gname'> {
  return {
    uid: paxNumber(records, 'uid') ?? header.uid,
    gid: paxNumber(records, 'gid') ?? header.gid,
    uname: records.get('uname') ?? header.uname,
    gname: records.get('gname') ?? header.gname,
  };
}

function entryType(header: TarHeader, name: string): TarEntryType {
  const type = TYPES.get(header.typeflag);
  if (type === undefined) {
    throw new AppError(
      'tar-type-unsupported',
      `The entry ${name} is of the unsupported type ${JSON.stringify(header.typeflag)}.`,
      { details: { path: name, typeflag: header.typeflag } },
    );
  }
  if (type === 'file' && name.endsWith('/')) {
    throw new AppError('tar-ambiguous', `The entry ${name} is a file with the name of a folder.`, {
      details: { path: name },
    });
  }
  return type;
}

function isLink(type: TarEntryType): boolean {
  return type === 'hardlink' || type === 'symlink';
}

function checkSize(name: string, type: TarEntryType, size: number): void {
  if (type !== 'file' && size !== 0) {
    throw new AppError(
      'tar-size',
      `The entry ${name} is a ${type} and says it has ${size} bytes.`,
      {
        details: { path: name, size },
      },
    );
  }
  if (!Number.isSafeInteger(size + BLOCK_BYTES)) {
    throw new AppError('tar-size', `The entry ${name} says it has ${size} bytes.`, {
      details: { path: name, size },
    });
  }
}

function globalRecords(records: PaxRecords): PaxRecords {
  for (const key of ['path', 'linkpath', 'size']) {
    refuseTwice(records.has(key), `${key} of every entry`);
  }
  return records;
}

function paxNumber(records: PaxRecords, key: string): number | undefined {
  const value = records.get(key);
  if (value === undefined) {
    return undefined;
  }
  const number = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number)) {
    throw paxValueError(key, value);
  }
  return number;
}

function paxSeconds(records: PaxRecords): number | undefined {
  const value = records.get('mtime');
  if (value === undefined) {
    return undefined;
  }
  if (!/^-?[0-9]{1,15}(\.[0-9]*)?$/.test(value)) {
    throw paxValueError('mtime', value);
  }
  return Math.floor(Number(value));
}

function paxValueError(key: string, value: string): AppError {
  return new AppError('tar-pax', `The pax record ${key}=${value} is not a number.`, {
    details: { key, value },
  });
}

function refuseTwice(twice: boolean, what: string): void {
  if (twice) {
    throw new AppError('tar-ambiguous', `A tar entry states its ${what} twice.`, {
      details: { what },
    });
  }
}

function truncated(position: number): AppError {
  return new AppError('tar-truncated', `The archive ends within an entry, at byte ${position}.`, {
    details: { position },
  });
}
