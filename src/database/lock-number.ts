import { createHash } from 'node:crypto';

/** The number under which PostgreSQL knows a lock of this name, in decimal: it names locks by 64 bits. */
export function lockNumber(name: string): string {
  return createHash('sha256').update(`rookery:${name}`).digest().readBigInt64BE().toString();
}
