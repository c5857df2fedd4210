import { isUtf8 } from 'node:buffer';
import { AppError } from '../../support/errors.ts';

/*
 * One header block (POSIX 1003.1 ustar; GNU tar manual "Basic Tar Format"; Python's tarfile for what Portage writes).
 *
 *   0 name 100     100 mode 8      108 uid 8       116 gid 8       124 size 12     136 mtime 12   148 checksum 8
 * 156 type 1       157 linkname 100  257 magic 8   265 uname 32    297 gname 32    329 device 8+8
 * 345 prefix 155   500 nothing 12
 */
export const BLOCK_BYTES = 512;
/** Archives are filled up to whole records. */
export const RECORD_BYTES = 10_240;

export type TarMagic = 'ustar' | 'gnu' | 'v7';

/** The fields of one header block, as they stand there. */
export interface TarHeader {
  /** With the prefix, when there is one. */
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  /** One character: `0` file, `1` hard link, `2` symbolic link, `5` folder ... A NUL of old is given as `0` or `5`. */
  readonly typeflag: string;
  readonly linkname: string;
  readonly magic: TarMagic;
  readonly uname: string;
  readonly gname: string;
}

/** What a new header block is made of. */
export type NewTarHeader = Omit<TarHeader, 'magic'> & { readonly magic: 'ustar' | 'gnu' };

const USTAR_MAGIC = Buffer.from('ustar\x0000', 'latin1');
const GNU_MAGIC = Buffer.from('ustar  \0', 'latin1');
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
const OCTAL = /^[ ]*([0-7]*)[ ]*$/;

/** Names that an extension before the header has given: the header's own may be cut inside of a character. */
export interface GivenNames {
  readonly name: boolean;
  readonly linkname: boolean;
}

/**
 * Reads a header block; undefined for a block of zeros. A name that is given otherwise is left empty, unread.
 *
 * Throws `tar-checksum`, `tar-number`, `tar-name-not-utf8`.
 */
export function decodeTarHeader(
  block: Buffer,
  given: GivenNames = { name: false, linkname: false },
): TarHeader | undefined {
  if (isZero(block)) {
    return undefined;
  }
  checkSum(block);
  const name = given.name ? '' : textField(block, 0, NAME_BYTES, 'name');
  const prefix = textField(block, 345, PREFIX_BYTES, 'prefix');
  const typeflag = block.toString('latin1', 156, 157);
  numberField(block, 329, 8, 'devmajor');
  numberField(block, 337, 8, 'devminor');
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: numberField(block, 100, 8, 'mode'),
    uid: numberField(block, 108, 8, 'uid'),
    gid: numberField(block, 116, 8, 'gid'),
    size: numberField(block, 124, 12, 'size'),
    mtimeSeconds: numberField(block, 136, 12, 'mtime'),
    typeflag: typeflag === '\0' ? oldType(name) : typeflag,
    linkname: given.linkname ? '' : textField(block, 157, NAME_BYTES, 'linkname'),
    magic: tarMagic(block),
    uname: ownerField(block, 265),
    gname: ownerField(block, 297),
  };
}

/** Before there was a type for folders, a slash at the end told them (`tarfile.py:TarInfo.frombuf`). */
function oldType(name: string): string {
  return name.endsWith('/') ? '5' : '0';
}

/** The format that a header block says it is in. */
export function tarMagic(block: Buffer): TarMagic {
  const magic = block.subarray(257, 265);
  if (magic.equals(USTAR_MAGIC)) {
    return 'ustar';
  }
  return magic.equals(GNU_MAGIC) ? 'gnu' : 'v7';
}

/**
 * Makes one header block. Names must fit (`fitsUstar`); a GNU name that is too long is cut, for the long-name
 * entry before it holds the whole.
 *
 * Throws `tar-name-too-long`, `tar-number`.
 */
export function encodeTarHeader(header: NewTarHeader): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const { name, prefix } = placeName(header);
  name.copy(block, 0, 0, wholeCharacters(name, NAME_BYTES));
  prefix.copy(block, 345);
  putNumber(block, { offset: 100, width: 8, value: header.mode & 0o7777 }, header.magic);
  putNumber(block, { offset: 108, width: 8, value: header.uid }, header.magic);
  putNumber(block, { offset: 116, width: 8, value: header.gid }, header.magic);
  putNumber(block, { offset: 124, width: 12, value: header.size }, header.magic);
  putNumber(block, { offset: 136, width: 12, value: header.mtimeSeconds }, header.magic);
  block.write(header.typeflag, 156, 1, 'latin1');
  const linkname = Buffer.from(header.linkname);
  linkname.copy(block, 157, 0, wholeCharacters(linkname, NAME_BYTES));
  (header.magic === 'gnu' ? GNU_MAGIC : USTAR_MAGIC).copy(block, 257);
  Buffer.from(header.uname).copy(block, 265, 0, 32);
  Buffer.from(header.gname).copy(block, 297, 0, 32);
  block.write(`${sums(block).unsigned.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1');
  return block;
}

/** How many of the first bytes, at most `width`, do not end inside of a UTF-8 character. */
function wholeCharacters(bytes: Buffer, width: number): number {
  let length = Math.min(bytes.length, width);
  while (length < bytes.length && length > 0 && ((bytes[length] ?? 0) & 0xc0) === 0x80) {
    length -= 1;
  }
  return length;
}

/** Whether a ustar header can hold these; otherwise the GNU format must be used. */
export function fitsUstar(entry: {
  readonly name: string;
  readonly linkname: string;
  readonly size: number;
}): boolean {
  return (
    splitName(entry.name) !== undefined &&
    Buffer.byteLength(entry.linkname) <= NAME_BYTES &&
    entry.size < 8 ** 11
  );
}

/** Bytes from the end of `size` bytes of content to the next block. */
export function paddingAfter(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
}

/** Whether all of it is zero. */
export function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

function placeName(header: NewTarHeader): { readonly name: Buffer; readonly prefix: Buffer } {
  if (header.magic === 'gnu') {
    return { name: Buffer.from(header.name), prefix: Buffer.alloc(0) };
  }
  const split = splitName(header.name);
  if (split === undefined || Buffer.byteLength(header.linkname) > NAME_BYTES) {
    throw new AppError('tar-name-too-long', `A ustar header has no room for ${header.name}.`, {
      details: { name: header.name, linkname: header.linkname },
    });
  }
  return split;
}

function splitName(name: string): { readonly name: Buffer; readonly prefix: Buffer } | undefined {
  const whole = Buffer.from(name);
  if (whole.length <= NAME_BYTES) {
    return { name: whole, prefix: Buffer.alloc(0) };
  }
  for (let slash = whole.indexOf('/'); slash !== -1; slash = whole.indexOf('/', slash + 1)) {
    if (slash > PREFIX_BYTES) {
      return undefined;
    }
    if (whole.length - slash - 1 <= NAME_BYTES) {
      return { name: whole.subarray(slash + 1), prefix: whole.subarray(0, slash) };
    }
  }
  return undefined;
}

function putNumber(
  block: Buffer,
  field: { readonly offset: number; readonly width: number; readonly value: number },
  magic: 'ustar' | 'gnu',
): void {
  const { offset, width, value } = field;
  if (value >= 0 && value < 8 ** (width - 1)) {
    block.write(`${value.toString(8).padStart(width - 1, '0')}\0`, offset, width, 'latin1');
    return;
  }
  if (magic === 'ustar' || !Number.isSafeInteger(value)) {
    throw new AppError('tar-number', `A ${magic} header has no room for the number ${value}.`);
  }
  let rest = BigInt.asUintN((width - 1) * 8, BigInt(value));
  for (let index = width - 1; index > 0; index -= 1) {
    block[offset + index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  block[offset] = value < 0 ? 0xff : 0x80;
}

function numberField(block: Buffer, offset: number, width: number, field: string): number {
  const first = block[offset];
  const value =
    first === 0x80 || first === 0xff
      ? base256(block.subarray(offset + 1, offset + width), first === 0xff)
      : octal(block.toString('latin1', offset, offset + width));
  if (value === undefined || (value < 0 && field !== 'mtime')) {
    const shown = JSON.stringify(block.toString('latin1', offset, offset + width));
    throw new AppError('tar-number', `The ${field} of a tar header is not a number: ${shown}.`, {
      details: { field, value: shown },
    });
  }
  return value;
}

function octal(field: string): number | undefined {
  const digits = OCTAL.exec(field.split('\0', 1)[0] ?? '')?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits === '' ? '0' : digits, 8);
}

function base256(bytes: Buffer, negative: boolean): number | undefined {
  let value = 0n;
  for (const byte of bytes) {
    value = (value << 8n) | BigInt(byte);
  }
  const result = Number(negative ? value - (1n << BigInt(bytes.length * 8)) : value);
  return Number.isSafeInteger(result) ? result : undefined;
}

function textField(block: Buffer, offset: number, width: number, field: string): string {
  return decodeName(untilNul(block.subarray(offset, offset + width)), field);
}

/** A name in another encoding is none that a client has: it goes by the number then. */
function ownerField(block: Buffer, offset: number): string {
  const bytes = untilNul(block.subarray(offset, offset + 32));
  return isUtf8(bytes) ? bytes.toString('utf8') : '';
}

function untilNul(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end === -1 ? bytes : bytes.subarray(0, end);
}

/** UTF-8 of a name. Throws `tar-name-not-utf8`. */
export function decodeName(bytes: Buffer, field: string): string {
  if (!isUtf8(bytes)) {
    const shown = JSON.stringify(bytes.toString('latin1'));
    throw new AppError('tar-name-not-utf8', `The ${field} ${shown} of a tar entry is not UTF-8.`);
  }
  return bytes.toString('utf8');
}

function checkSum(block: Buffer): void {
  const said = octal(block.toString('latin1', 148, 156));
  const { unsigned, signed } = sums(block);
  if (said !== unsigned && said !== signed) {
    throw new AppError(
      'tar-checksum',
      `A tar header has the checksum ${unsigned.toString(8)} and says ${said?.toString(8) ?? 'none'}.`,
    );
  }
}

function sums(block: Buffer): { readonly unsigned: number; readonly signed: number } {
  let unsigned = 8 * 32;
  let signed = 8 * 32;
  for (let index = 0; index < BLOCK_BYTES; index += index === 147 ? 9 : 1) {
    const byte = block[index] ?? 0;
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  return { unsigned, signed };
}
