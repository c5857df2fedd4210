import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';

export type DigestName = 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512' | 'blake2b512';

/** Lowercase hex by name; asking for one that was not computed is a programming error and throws. */
export interface Digests {
  readonly of: (name: DigestName) => string;
}

/** Several digests over the same bytes, in one pass. */
export class DigestSet {
  readonly #hashes: ReadonlyMap<DigestName, Hash>;
  #size = 0;

  constructor(names: readonly DigestName[]) {
    this.#hashes = new Map(names.map((name) => [name, createHash(name)]));
  }

  update(chunk: Uint8Array): void {
    this.#size += chunk.byteLength;
    for (const hash of this.#hashes.values()) {
      hash.update(chunk);
    }
  }

  /** Bytes seen so far. */
  get size(): number {
    return this.#size;
  }

  /** A copy of the running state of one hash, for a signature over the same bytes. */
  copyState(name: DigestName): Hash {
    return present(this.#hashes.get(name), name).copy();
  }

  /** Ends the set. */
  finish(): Digests {
    const hex = new Map([...this.#hashes].map(([name, hash]) => [name, hash.digest('hex')]));
    return { of: (name) => present(hex.get(name), name) };
  }
}

/** Digests and size of a file, read once in 256 KiB pieces; `onBytes` is told the size of each. */
export async function digestFile(
  path: string,
  names: readonly DigestName[],
  onBytes: (count: number) => void = () => undefined,
): Promise<{ readonly size: number; readonly digests: Digests }> {
  const set = new DigestSet(names);
  const chunks: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: 256 * 1024 });
  for await (const chunk of chunks) {
    set.update(chunk);
    onBytes(chunk.byteLength);
  }
  return { size: set.size, digests: set.finish() };
}

/** Lowercase hex digest of bytes in memory. */
export function digestOf(name: DigestName, data: string | Uint8Array): string {
  return createHash(name).update(data).digest('hex');
}

function present<T>(value: T | undefined, name: DigestName): T {
  if (value === undefined) {
    throw new Error(`the digest set was made without ${name}`);
  }
  return value;
}

/** A number from 0 up to 1 that depends on the text alone and looks random. */
export function fractionOf(text: string): number {
  return Number.parseInt(digestOf('sha256', text).slice(0, 8), 16) / 2 ** 32;
}
