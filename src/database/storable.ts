const NUL = '\0';
const IN_ITS_PLACE = '�';

/** PostgreSQL takes every character in a text but NUL, which an agent may find in a compiler's words. */
export function storable(value: unknown): unknown {
  return typeof value === 'string' && value.includes(NUL)
    ? value.replaceAll(NUL, IN_ITS_PLACE)
    : value;
}
