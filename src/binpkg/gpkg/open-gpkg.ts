import { type Clock, systemClock } from '../../support/clock.ts';
import { AppError } from '../../support/errors.ts';
import type { ByteSource, PieceUse } from '../byte-source.ts';
import { decompress } from '../compression.ts';
import { DEFAULT_LIMITS, type PackageLimits } from '../limits.ts';
import type { PackageVerifier } from '../package-signer.ts';
import { compareWithManifest, requireSignatures } from './compare-manifest.ts';
import { type Container, type ContainerMember, readContainer } from './container.ts';
import { type EntryVisitor, type ImageSummary, walkImageArchive } from './image-archive.ts';
import { findInnerArchives, type Inner } from './inner-archives.ts';
import { SIGNATURE_SUFFIX } from './layout.ts';
import { type MemberDigests, MemberStream } from './member-stream.ts';
import { readMetadataArchive } from './metadata-archive.ts';
import {
  checkDigests,
  checkMemberSignature,
  type OpenedManifest,
  openManifest,
  readMemberSignature,
  type VerifiedMember,
} from './open-manifest.ts';
import { refusal } from './refusals.ts';
import { innerFailure } from './verify-failures.ts';

export interface VerifyOptions {
  readonly limits?: Partial<PackageLimits>;
  /** Checks the signatures. Without one, a signed package is checked for its form and digests only. */
  readonly verifier?: PackageVerifier;
  /** `required` refuses an unsigned package. Default: `if-present`, as Portage without any setting. */
  readonly signatures?: 'required' | 'if-present';
  readonly listFiles?: boolean;
  /** Is shown the files of the image in the same pass; what it saw counts only once the package is verified. */
  readonly visit?: EntryVisitor;
  /** `passing` when `visit` keeps nothing of the content that it is shown. Default: `kept`. */
  readonly visitUse?: PieceUse;
  /** Stops the work, programs included. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

/** What the Manifest and the metadata say, verified. Of the image only name, place and size are known. */
export interface GpkgHead {
  /** The folder name that all members share. Not compared with anything. */
  readonly base: string;
  /** In container order, the Manifest included. Names have no base: `metadata.tar.zst`. */
  readonly members: readonly ContainerMember[];
  readonly metadataMember: VerifiedMember;
  readonly imageMember: ContainerMember;
  /** Key to bytes as in metadata.tar, in archive order. `readMetadata` types it. */
  readonly metadata: ReadonlyMap<string, Buffer>;
  /** Whether the package carries signatures. They were checked only when a verifier was given. */
  readonly signed: boolean;
  /** Fingerprint of the key that signed the Manifest, when a verifier checked it. */
  readonly fingerprint: string | undefined;
}

export interface VerifiedPackage extends GpkgHead {
  readonly members: readonly VerifiedMember[];
  readonly imageMember: VerifiedMember;
  readonly image: ImageSummary;
}

export interface OpenGpkg {
  readonly head: GpkgHead;
  /** The metadata member as it is stored. */
  readonly metadataBytes: Buffer;
  /**
   * Verifies what is left, reading every byte of it once: the image, then the other members in container order. What
   * `passOn` has seen counts only once this has returned.
   */
  finish(passOn?: PassOn): Promise<VerifiedPackage>;
}

/** Says for each member that is read who gets its bytes on the way. */
export type PassOn = (member: ContainerMember) => Promise<MemberSink | undefined>;

export interface MemberSink {
  /** The piece may be kept only until this has returned. */
  write(piece: Buffer): Promise<void>;
  /** The member was verified. The state is given away. */
  end(digests: MemberDigests): Promise<unknown>;
}

/**
 * Verifies Manifest and metadata of a GPKG, then lets `work` decide what becomes of the rest. Time limit and `signal`
 * hold until `work` is done.
 *
 * Throws what `verifyGpkg` throws.
 */
export async function withOpenGpkg<T>(
  source: ByteSource,
  options: VerifyOptions,
  work: (opened: OpenGpkg) => Promise<T>,
): Promise<T> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const stop = new AbortController();
  const abort = (): void => {
    stop.abort();
  };
  const timer = setTimeout(abort, limits.timeMs);
  options.signal?.addEventListener('abort', abort, { once: true });
  if (options.signal?.aborted === true) {
    abort();
  }
  try {
    const checks = { ...options, limits, signal: stop.signal };
    return await work(await new Verification(source, checks).open());
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', abort);
  }
}

type Checks = VerifyOptions & { readonly limits: PackageLimits; readonly signal: AbortSignal };

/** What is known of a container before any of its members is read. */
interface Outline {
  readonly container: Container;
  readonly manifest: OpenedManifest;
  readonly metadata: Inner;
  readonly image: Inner;
}

class Verification {
  readonly #source: ByteSource;
  readonly #options: Checks;
  readonly #limits: PackageLimits;
  readonly #clock: Clock;
  readonly #deadline: number;
  #metadata: ReadonlyMap<string, Buffer> = new Map();
  #image: ImageSummary = { entries: 0, regularFiles: 0, installedBytes: 0, files: undefined };

  constructor(source: ByteSource, options: Checks) {
    this.#source = source;
    this.#options = options;
    this.#limits = options.limits;
    this.#clock = options.clock ?? systemClock;
    this.#deadline = this.#clock.now() + this.#limits.timeMs;
  }

  async open(): Promise<OpenGpkg> {
    const container = await readContainer(this.#source, this.#limits);
    const archives = findInnerArchives(container, this.#limits);
    const manifest = await openManifest(this.#source, container, this.#options);
    compareWithManifest(container, manifest.records);
    if (manifest.signed) {
      requireSignatures(container);
    }
    const outline = { container, manifest, ...archives };
    const stored: Buffer[] = [];
    const metadataMember = await this.#member(outline, archives.metadata.member, {
      write: async (piece) => {
        stored.push(Buffer.from(piece));
      },
      end: async () => undefined,
    });
    const head: GpkgHead = {
      base: container.base,
      members: [...container.members.values()],
      metadataMember,
      imageMember: archives.image.member,
      metadata: this.#metadata,
      signed: manifest.signed,
      fingerprint: manifest.fingerprint,
    };
    return {
      head,
      metadataBytes: Buffer.concat(stored),
      finish: async (passOn) => await this.#finish(outline, head, passOn),
    };
  }

  async #finish(
    outline: Outline,
    head: GpkgHead,
    passOn: PassOn = async () => undefined,
  ): Promise<VerifiedPackage> {
    const { metadataMember, imageMember } = head;
    const verify = async (member: ContainerMember): Promise<VerifiedMember> =>
      await this.#member(outline, member, await passOn(member));
    const image = await verify(imageMember);
    const members: VerifiedMember[] = [];
    for (const member of outline.container.members.values()) {
      const known = [outline.manifest.member, metadataMember, image].find(
        ({ name }) => name === member.name,
      );
      members.push(known ?? (await verify(member)));
    }
    return { ...head, members, imageMember: image, image: this.#image };
  }

  async #member(
    { container, manifest, metadata, image }: Outline,
    member: ContainerMember,
    sink: MemberSink | undefined,
  ): Promise<VerifiedMember> {
    const file = container.members.get(member.name + SIGNATURE_SUFFIX);
    const signature = await readMemberSignature(this.#source, file, this.#options);
    const stream = new MemberStream(this.#source, member, {
      onPiece: async (piece) => {
        this.#checkTime();
        await sink?.write(piece);
      },
      further: signature?.further ?? [],
    });
    try {
      const inner = [metadata, image].find((archive) => archive.member === member);
      const failure = inner === undefined ? undefined : await this.#open(inner, stream);
      const { furtherStates, ...digests } = await stream.finish();
      const { blake2b, sha512, sha512State } = digests;
      checkDigests(member, digests, manifest.records);
      if (signature !== undefined) {
        await checkMemberSignature(member, signature, { sha512State, furtherStates });
      }
      if (failure !== undefined) {
        throw failure.error;
      }
      await sink?.end(digests);
      return { ...member, blake2b, sha512 };
    } finally {
      await stream.close();
    }
  }

  /** Reads an inner archive. What is wrong with it is said only if its bytes are the right ones. */
  async #open(
    inner: Inner,
    stream: MemberStream,
  ): Promise<{ readonly error: unknown } | undefined> {
    try {
      if (inner.kind === 'metadata') {
        const archive = this.#unpacked(inner, stream, {
          maxBytes: this.#limits.metadataBytes,
          use: 'kept',
        });
        this.#metadata = await readMetadataArchive(archive, this.#limits);
      } else {
        this.#image = await this.#walkImage(inner, stream);
      }
      return undefined;
    } catch (error) {
      this.#checkTime();
      return { error: innerFailure(error, inner) };
    }
  }

  async #walkImage(inner: Inner, stream: MemberStream): Promise<ImageSummary> {
    const limits = this.#limits;
    // A visitor may keep what it is shown; without one, memory that comes and goes costs more than the hashing.
    const { visit, visitUse = visit === undefined ? 'passing' : 'kept' } = this.#options;
    const use = inner.suffix === 'zst' ? visitUse : 'kept';
    const archive = this.#unpacked(inner, stream, { maxBytes: limits.imageBytes, use });
    return await walkImageArchive(this.#timed(archive), limits, this.#options);
  }

  #unpacked(
    inner: Inner,
    stream: MemberStream,
    { maxBytes, use }: { readonly maxBytes: number; readonly use: PieceUse },
  ): AsyncIterable<Buffer> {
    return decompress(inner.suffix, stream.pieces(use), {
      name: inner.member.name,
      maxBytes,
      use,
      limits: this.#limits,
      signal: this.#options.signal,
    });
  }

  async *#timed(archive: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of archive) {
      this.#checkTime();
      yield piece;
    }
  }

  #checkTime(): void {
    if (this.#clock.now() > this.#deadline) {
      throw refusal(
        'gpkg-time-exceeded',
        `Verification took longer than ${this.#limits.timeMs} ms.`,
      );
    }
    if (this.#options.signal.aborted) {
      throw new AppError('verification-aborted', 'The verification was stopped.');
    }
  }
}
