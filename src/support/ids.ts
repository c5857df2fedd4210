import { randomBytes } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** `<prefix>-<16 characters>`: unguessable enough for names, safe in URLs and file names. */
export function newId(prefix: string): string {
  return `${prefix}-${characters(16)}`;
}

/** A bearer token of 256 bits. Only [a-z0-9_]: both wget and urllib carry it unescaped. */
export function newToken(): string {
  return `rky_${characters(52)}`;
}

function characters(count: number): string {
  return Array.from(randomBytes(count), (byte) => ALPHABET[byte % ALPHABET.length]).join('');
}
