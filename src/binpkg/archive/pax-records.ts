import { AppError } from '../../support/errors.ts';
import { decodeName } from './tar-header.ts';

export type PaxRecords = ReadonlyMap<string, string>;

/**
 * The records of a pax extended header: `<length> <key>=<value>\n`, the length in bytes and of the whole record
 * (POSIX 1003.1, pax). Keys of sparse files are refused, as they rename and resize what they stand before.
 *
 * Throws `tar-pax`, `tar-name-not-utf8`.
 */
export function parsePaxRecords(bytes: Buffer): PaxRecords {
  const records = new Map<string, string>();
  let offset = 0;
  while (offset < bytes.length && bytes[offset] !== 0) {
    const end = offset + recordLength(bytes, offset);
    const start = bytes.indexOf(0x20, offset) + 1;
    const equals = bytes.indexOf(0x3d, start);
    if (end > bytes.length || bytes[end - 1] !== 0x0a || equals < start || equals >= end) {
      throw malformed(bytes, offset);
    }
    const key = decodeName(bytes.subarray(start, equals), 'pax key');
    if (key === '' || records.has(key) || key.startsWith('GNU.sparse.')) {
      throw malformed(bytes, offset);
    }
    records.set(key, valueOf(key, bytes.subarray(equals + 1, end - 1)));
    offset = end;
  }
  return records;
}

/** The opposite of `parsePaxRecords`. */
export function formatPaxRecords(records: PaxRecords): Buffer {
  return Buffer.concat([...records].map(([key, value]) => formatRecord(key, value)));
}

function recordLength(bytes: Buffer, offset: number): number {
  const space = bytes.indexOf(0x20, offset);
  const digits = space === -1 ? '' : bytes.toString('latin1', offset, space);
  if (!/^[1-9][0-9]{0,8}$/.test(digits) || Number(digits) <= digits.length + 1) {
    throw malformed(bytes, offset);
  }
  return Number(digits);
}

/** Only values that are used must be text; a comment or a foreign attribute may be anything. */
function valueOf(key: string, bytes: Buffer): string {
  const used = ['path', 'linkpath', 'uname', 'gname'].includes(key);
  if (used && bytes.includes(0)) {
    throw malformed(bytes, 0);
  }
  return used ? decodeName(bytes, `pax ${key}`) : bytes.toString('utf8');
}

function formatRecord(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (rest + String(length).length > length) {
    length += 1;
  }
  return Buffer.from(`${length} ${key}=${value}\n`);
}

function malformed(bytes: Buffer, offset: number): AppError {
  const shown = JSON.stringify(bytes.toString('latin1', offset, offset + 60));
  return new AppError('tar-pax', `A pax record is malformed at byte ${offset}: ${shown}.`, {
    details: { offset },
  });
}
