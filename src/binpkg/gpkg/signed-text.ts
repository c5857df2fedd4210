import { refusal } from './refusals.ts';

const BEGIN = '-----BEGIN PGP SIGNED MESSAGE-----';
const SIGNATURE = '-----BEGIN PGP SIGNATURE-----';
const END = '-----END PGP SIGNATURE-----';
const ARMOR_COLUMNS = 64;

/** Whether Portage takes a Manifest for signed. */
export function isClearSigned(text: string): boolean {
  return text.includes(SIGNATURE);
}

/**
 * The text inside an OpenPGP clear-signed message (RFC 9580, 7), without checking the signature. Anything before
 * or after the message is refused.
 *
 * Throws `gpkg-manifest-invalid`.
 */
export function clearSignedContent(text: string): string {
  const lines = text.trimEnd().split(/\r?\n/);
  const headersEnd = lines.indexOf('');
  const signature = lines.indexOf(SIGNATURE);
  const framed = lines[0] === BEGIN && lines.at(-1) === END && lines.lastIndexOf(BEGIN) === 0;
  const headers = lines.slice(1, Math.max(1, headersEnd));
  const wellFormed =
    framed &&
    headersEnd > 0 &&
    headersEnd < signature &&
    lines.lastIndexOf(SIGNATURE) === signature &&
    lines.indexOf(END) === lines.length - 1 &&
    headers.every((header) => /^Hash: [A-Z0-9, -]+$/.test(header));
  if (!wellFormed) {
    throw refusal('gpkg-manifest-invalid', 'The Manifest is no single OpenPGP clear-signed text.');
  }
  const content = lines.slice(headersEnd + 1, signature).map(undash);
  return content.length === 0 ? '' : `${content.join('\n')}\n`;
}

/** A signature file as armored text: gpg writes either form, and Portage accepts both. */
export function armoredSignature(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  if (text.includes(SIGNATURE)) {
    return text;
  }
  const base64 = bytes.toString('base64');
  const rows = base64.match(new RegExp(`.{1,${ARMOR_COLUMNS}}`, 'g')) ?? [];
  return [SIGNATURE, '', ...rows, `=${checksum24(bytes)}`, END, ''].join('\n');
}

function undash(line: string): string {
  if (line.startsWith('- ')) {
    return line.slice(2);
  }
  if (line.startsWith('-')) {
    throw refusal('gpkg-manifest-invalid', 'The signed text of the Manifest is not dash-escaped.', {
      details: { line },
    });
  }
  return line;
}

/** CRC-24 of RFC 9580, 6.1. */
function checksum24(bytes: Buffer): string {
  let crc = 0xb704ce;
  for (const byte of bytes) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit += 1) {
      crc <<= 1;
      crc ^= (crc & 0x1000000) === 0 ? 0 : 0x1864cfb;
    }
  }
  return Buffer.from([(crc >> 16) & 0xff, (crc >> 8) & 0xff, crc & 0xff]).toString('base64');
}
