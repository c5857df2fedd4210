import type { ByteSource } from '../byte-source.ts';

/** Bytes in order, taken as they are needed. */
export interface ByteInput {
  /** Bytes taken or skipped so far. */
  readonly position: number;
  /** Exactly `length` bytes; fewer only at the end. For small lengths. */
  take(length: number): Promise<Buffer>;
  /** The next bytes in pieces, `length` in all unless the input ends. */
  pieces(length: number): AsyncIterable<Buffer>;
  /** Passes over bytes. Returns how many there were. */
  skip(length: number): Promise<number>;
}

/** The bytes of a stream. */
export class StreamInput implements ByteInput {
  readonly #chunks: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);
  #position = 0;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  get position(): number {
    return this.#position;
  }

  async take(length: number): Promise<Buffer> {
    const first = await this.#next(length);
    if (first.length === length || first.length === 0) {
      return first;
    }
    // The memory of a piece may be used again for the next one.
    const parts = [Buffer.from(first)];
    for await (const piece of this.pieces(length - first.length)) {
      parts.push(Buffer.from(piece));
    }
    return Buffer.concat(parts);
  }

  async *pieces(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      const piece = await this.#next(left);
      if (piece.length === 0) {
        return;
      }
      left -= piece.length;
      yield piece;
    }
  }

  async skip(length: number): Promise<number> {
    let skipped = 0;
    while (skipped < length) {
      const piece = await this.#next(length - skipped);
      if (piece.length === 0) {
        break;
      }
      skipped += piece.length;
    }
    return skipped;
  }

  /** Tells the stream that no more is wanted. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #next(most: number): Promise<Buffer> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done === true) {
        return Buffer.alloc(0);
      }
      this.#chunk = value;
    }
    const piece = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(piece.length);
    this.#position += piece.length;
    return piece;
  }
}

/** The bytes of a source; skipping costs nothing. */
export class SourceInput implements ByteInput {
  readonly #source: ByteSource;
  #position = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  get position(): number {
    return this.#position;
  }

  async take(length: number): Promise<Buffer> {
    const bytes = await this.#source.read(this.#position, length);
    this.#position += bytes.length;
    return bytes;
  }

  async *pieces(length: number): AsyncGenerator<Buffer> {
    const there = Math.max(0, Math.min(length, this.#source.size - this.#position));
    for await (const piece of this.#source.stream(this.#position, there)) {
      this.#position += piece.length;
      yield piece;
    }
  }

  async skip(length: number): Promise<number> {
    const there = Math.max(0, Math.min(length, this.#source.size - this.#position));
    this.#position += there;
    return there;
  }
}
