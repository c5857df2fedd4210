import { AppError } from '../support/errors.ts';

const BEGIN = '-----BEGIN PGP SIGNATURE-----';
const END = '-----END PGP SIGNATURE-----';
const CRC24_START = 0xb704ce;
const CRC24_POLYNOMIAL = 0x1864cfb;
const LINE = 64;
/** A signature of four RSA-4096 keys is below 4 KiB. */
const MAX_ARMOR_CHARACTERS = 64 * 1024;

/** ASCII armor of signature packets with checksum (RFC 4880 6.1 and 6.2), LF line ends. */
export function armorSignature(packets: Uint8Array): string {
  const base64 = Buffer.from(packets).toString('base64');
  const lines = base64.match(new RegExp(`.{1,${LINE}}`, 'g')) ?? [];
  return [BEGIN, '', ...lines, `=${checksum(packets)}`, END, ''].join('\n');
}

/**
 * The packets in an armored signature. Only one armor with nothing but white space around it is accepted, and
 * its checksum, if there is one, has to be right. Throws `signature-invalid`.
 */
export function dearmorSignature(text: string): Buffer {
  if (text.length > MAX_ARMOR_CHARACTERS) {
    throw invalid(`it has more than ${MAX_ARMOR_CHARACTERS} characters`);
  }
  const lines = text.trim().split(/\r?\n/);
  if (lines[0]?.trimEnd() !== BEGIN || lines.at(-1)?.trimEnd() !== END) {
    throw invalid('it is not one armored OpenPGP signature');
  }
  const body = bodyOf(lines.slice(1, -1).map((line) => line.trimEnd()));
  const sum = body.at(-1)?.startsWith('=') === true ? body.pop() : undefined;
  const base64 = body.join('');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || base64.length % 4 !== 0) {
    throw invalid('its armor is not base64');
  }
  const packets = Buffer.from(base64, 'base64');
  if (sum !== undefined && sum !== `=${checksum(packets)}`) {
    throw invalid('the checksum of its armor is wrong');
  }
  return packets;
}

function bodyOf(lines: readonly string[]): string[] {
  const blank = lines.indexOf('');
  const headers = blank === -1 ? [] : lines.slice(0, blank);
  if (blank === -1 || headers.some((line) => !/^[\w-]+:(?: |$)/.test(line))) {
    throw invalid('the headers of its armor are not ended by an empty line');
  }
  return lines.slice(blank + 1);
}

function checksum(data: Uint8Array): string {
  let crc = CRC24_START;
  for (const byte of data) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit += 1) {
      crc <<= 1;
      if ((crc & 0x1000000) !== 0) {
        crc ^= CRC24_POLYNOMIAL;
      }
    }
  }
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc & 0xffffff);
  return bytes.subarray(1).toString('base64');
}

function invalid(reason: string): Error {
  return new AppError('signature-invalid', `The signature cannot be read: ${reason}.`);
}
