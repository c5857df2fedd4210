import type { Hash } from 'node:crypto';
import { type DigestName, DigestSet } from '../../support/digests.ts';
import type { ByteSource, PieceUse } from '../byte-source.ts';
import type { ContainerMember } from './container.ts';

/** What was computed over the bytes of a member. */
export interface MemberDigests {
  /** Lowercase hex. */
  readonly blake2b: string;
  readonly sha512: string;
  /** For a signature over the same bytes. */
  readonly sha512State: Hash;
}

export interface MemberStreamOptions {
  /** Is waited for before the piece goes on, and before the next one is read. May throw to stop. */
  readonly onPiece?: (piece: Buffer) => void | Promise<void>;
  /** Digests for a signature. */
  readonly further?: readonly DigestName[];
}

/** Bytes of a member, hashed as they pass. Every byte is read exactly once, whoever reads it. */
export class MemberStream {
  readonly #source: ByteSource;
  readonly #member: ContainerMember;
  readonly #digests: DigestSet;
  readonly #further: readonly DigestName[];
  readonly #onPiece: (piece: Buffer) => void | Promise<void>;
  #reading: AsyncIterator<Buffer> | undefined;
  #last: Promise<Buffer | undefined> = Promise.resolve(undefined);
  #failure: { readonly error: unknown } | undefined;

  constructor(
    source: ByteSource,
    member: ContainerMember,
    { onPiece = () => undefined, further = [] }: MemberStreamOptions = {},
  ) {
    this.#digests = new DigestSet(['blake2b512', 'sha512', ...further]);
    this.#further = further;
    this.#source = source;
    this.#member = member;
    this.#onPiece = onPiece;
  }

  /** What has not been read yet. The first call decides about the memory of the pieces. */
  async *pieces(use: PieceUse = 'kept'): AsyncGenerator<Buffer> {
    for (let piece = await this.#take(use); piece !== undefined; piece = await this.#take(use)) {
      yield piece;
    }
  }

  /** Reads the rest and ends the hashing. */
  async finish(): Promise<
    MemberDigests & { readonly furtherStates: ReadonlyMap<DigestName, Hash> }
  > {
    for await (const piece of this.pieces('passing')) {
      void piece;
    }
    const sha512State = this.#digests.copyState('sha512');
    const furtherStates = new Map(
      this.#further.map((name) => [name, this.#digests.copyState(name)]),
    );
    const digests = this.#digests.finish();
    const [blake2b, sha512] = [digests.of('blake2b512'), digests.of('sha512')];
    return { blake2b, sha512, sha512State, furtherStates };
  }

  /** Lets go of the source. */
  async close(): Promise<void> {
    await this.#last.catch(() => undefined);
    await this.#reading?.return?.();
  }

  /** One after the other, also when a reader that has gone away left one on its way. */
  async #take(use: PieceUse): Promise<Buffer | undefined> {
    const before = this.#last.catch(() => undefined);
    this.#last = before.then(async () => await this.#next(use));
    return await this.#last;
  }

  async #next(use: PieceUse): Promise<Buffer | undefined> {
    if (this.#failure !== undefined) {
      throw this.#failure.error;
    }
    try {
      const { offset, size } = this.#member;
      this.#reading ??= this.#source.stream(offset, size, use)[Symbol.asyncIterator]();
      const { done, value } = await this.#reading.next();
      if (done === true) {
        return undefined;
      }
      this.#digests.update(value);
      await this.#onPiece(value);
      return value;
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }
}
