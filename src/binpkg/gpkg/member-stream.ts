import type { Hash } from 'node:crypto';
import { type DigestName, DigestSet } from '../../support/digests.ts';
import type { ByteSource, PieceUse } from '../byte-source.ts';
import type { ContainerMember } from './container.ts';

/** Bytes of a member, hashed as they pass. Every byte is read exactly once, whoever reads it. */
export class MemberStream {
  readonly #source: ByteSource;
  readonly #member: ContainerMember;
  readonly #digests: DigestSet;
  readonly #further: readonly DigestName[];
  readonly #onPiece: () => void;

  /** `onPiece` is called for every piece and may throw to stop. `further` digests are for a signature. */
  constructor(
    source: ByteSource,
    member: ContainerMember,
    {
      onPiece = () => undefined,
      further = [],
    }: { readonly onPiece?: () => void; readonly further?: readonly DigestName[] } = {},
  ) {
    this.#digests = new DigestSet(['blake2b512', 'sha512', ...further]);
    this.#further = further;
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
    readonly furtherStates: ReadonlyMap<DigestName, Hash>;
  }> {
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
}
