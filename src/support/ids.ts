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
  let text = '';
  for (const byte of randomness(count)) {
    text += ALPHABET[byte % ALPHABET.length];
  }
  return text;
}

/** Asking for few bytes costs as much as asking for many, so those of several names are fetched at once. */
const STOCK_BYTES = 4096;
let stock = Buffer.alloc(0);

function randomness(count: number): Buffer {
  if (stock.length < count) {
    stock = randomBytes(STOCK_BYTES);
  }
  const taken = stock.subarray(0, count);
  stock = stock.subarray(count);
  return taken;
}
