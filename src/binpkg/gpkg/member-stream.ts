import type { Hash } from 'node:crypto';
import { DigestSet } from '../../support/digests.ts';
import type { ByteSource, PieceUse } from '../byte-source.ts';
import type { ContainerMember } from './container.ts';

/** Bytes of a member, hashed as they pass. Every byte is read exactly once, whoever reads it. */
export class MemberStream {
  readonly #source: ByteSource;
  readonly #member: ContainerMember;
  readonly #digests = new DigestSet(['blake2b512', 'sha512']);
  readonly #onPiece: () => void;

  /** `onPiece` is called for every piece and may throw to stop. */
  constructor(source: ByteSource, member: ContainerMember, onPiece: () => void = () => undefined) {
    this.#source = source;
    this.#member = member;
    this.#onPiece = onPiece;
  }

  /** What has not been read yet. */
  async *pieces(use: PieceUse = 'kept'): AsyncGenerator<Buffer> {
    const { offset, size } = this.#member;
    const done = this.#digests.size;
    for await (const piece of this.#source.stream(offset + done, size - done, use)) {
      this.#onPiece();
      this.#digests.update(piece);
      yield piece;
    }
  }

  /** Reads the rest and ends the hashing. */
  async finish(): Promise<{
    readonly blake2b: string;
    readonly sha512: string;
    readonly sha512State: Hash;
  }> {
    for await (const piece of this.pieces('passing')) {
      void piece;
    }
    const sha512State = this.#digests.copyState('sha512');
    const digests = this.#digests.finish();
    return { blake2b: digests.of('blake2b512'), sha512: digests.of('sha512'), sha512State };
  }
}
