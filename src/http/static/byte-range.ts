/** Which bytes of a file are asked for; `last` is part of it. */
export type ByteRange =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly first: number; readonly last: number }
  | { readonly kind: 'unsatisfiable' };

const SINGLE = /^bytes\s*=\s*(\d*)\s*-\s*(\d*)$/i;

/**
 * Reads a Range header against a file of `size` bytes (RFC 9110, 14.1.2 and 14.2). Several ranges, other units and
 * what is not a range at all mean the whole file.
 */
export function parseByteRange(header: string | undefined, size: number): ByteRange {
  const match = SINGLE.exec(header?.trim() ?? '');
  const [, from = '', to = ''] = match ?? [];
  if (match === null || (from === '' && to === '')) {
    return { kind: 'whole' };
  }
  return from === '' ? suffix(Number(to), size) : slice(Number(from), to, size);
}

function suffix(length: number, size: number): ByteRange {
  if (length === 0) {
    return { kind: 'unsatisfiable' };
  }
  if (size === 0) {
    return { kind: 'whole' };
  }
  return { kind: 'part', first: Math.max(0, size - length), last: size - 1 };
}

function slice(first: number, to: string, size: number): ByteRange {
  const last = to === '' ? size - 1 : Number(to);
  if (to !== '' && last < first) {
    return { kind: 'whole' };
  }
  if (first >= size) {
    return { kind: 'unsatisfiable' };
  }
  return { kind: 'part', first, last: Math.min(last, size - 1) };
}
