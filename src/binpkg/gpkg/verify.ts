import type { Hash } from 'node:crypto';
import { type Clock, systemClock } from '../../support/clock.ts';
import { AppError } from '../../support/errors.ts';
import type { ByteSource, PieceUse } from '../byte-source.ts';
import { decompress } from '../compression.ts';
import { DEFAULT_LIMITS, type PackageLimits } from '../limits.ts';
import type { PackageVerifier } from '../package-signer.ts';
import { compareWithManifest, requireSignatures } from './compare-manifest.ts';
import { type ContainerMember, readContainer } from './container.ts';
import { type EntryVisitor, type ImageSummary, walkImageArchive } from './image-archive.ts';
import { findInnerArchives, type Inner } from './inner-archives.ts';
import { MANIFEST, SIGNATURE_SUFFIX } from './layout.ts';
import type { ManifestRecord } from './manifest.ts';
import { MemberStream } from './member-stream.ts';
import { readMetadataArchive } from './metadata-archive.ts';
import {
  checkDigests,
  checkMemberSignature,
  openManifest,
  readMemberSignature,
  type VerifiedMember,
} from './open-manifest.ts';
import { refusal } from './refusals.ts';
import { innerFailure } from './verify-failures.ts';

export type { EntryVisitor, ImageEntry, ImageSummary } from './image-archive.ts';
export type { VerifiedMember } from './open-manifest.ts';

export interface VerifiedPackage {
  /** The folder name that all members share. Not compared with anything. */
  readonly base: string;
  /** In container order, the Manifest included. Names have no base: `metadata.tar.zst`. */
  readonly members: readonly VerifiedMember[];
  readonly metadataMember: VerifiedMember;
  readonly imageMember: VerifiedMember;
  /** Key to bytes as in metadata.tar, in archive order. `readMetadata` types it. */
  readonly metadata: ReadonlyMap<string, Buffer>;
  readonly image: ImageSummary;
  /** Whether the package carries signatures. They were checked only when a verifier was given. */
  readonly signed: boolean;
  /** Fingerprint of the key that signed the Manifest, when a verifier checked it. */
  readonly fingerprint: string | undefined;
}

export interface VerifyOptions {
  readonly limits?: Partial<PackageLimits>;
  /** Checks the signatures. Without one, a signed package is checked for its form and digests only. */
  readonly verifier?: PackageVerifier;
  /** `required` refuses an unsigned package. Default: `if-present`, as Portage without any setting. */
  readonly signatures?: 'required' | 'if-present';
  readonly listFiles?: boolean;
  /** Is shown the files of the image in the same pass; what it saw counts only once the package is verified. */
  readonly visit?: EntryVisitor;
  /** Is shown every member whose bytes are right, with a state of SHA-512 over them: what a new signature is made from. */
  readonly onMember?: (member: VerifiedMember, sha512State: Hash) => void;
  /** Stops the work, programs included. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

/**
 * Checks one GPKG completely, reading every byte of it once: container, Manifest, sizes, BLAKE2B and SHA512 of
 * every member, signatures, metadata.tar, and every entry of the image. Refuses what Portage's
 * `portage/gpkg.py:gpkg._verify_binpkg`, `unpack_metadata` and `tar_safe_extract` refuse, and what is ambiguous.
 *
 * Throws the codes of `GPKG_REFUSALS`; `program-not-found` when a member's decompressor is not installed;
 * `verification-aborted`.
 */
export async function verifyGpkg(
  source: ByteSource,
  options: VerifyOptions = {},
): Promise<VerifiedPackage> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const stop = new AbortController();
  const abort = (): void => {
    stop.abort();
  };
  const timer = setTimeout(abort, limits.timeMs);
  options.signal?.addEventListener('abort', abort, { once: true });
  try {
    return await new Verification(source, { ...options, limits, signal: stop.signal }).run();
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', abort);
  }
}

class Verification {
  readonly #source: ByteSource;
  readonly #options: VerifyOptions & { readonly limits: PackageLimits };
  readonly #limits: PackageLimits;
  readonly #clock: Clock;
  readonly #deadline: number;
  readonly #signal: AbortSignal;
  #metadata: ReadonlyMap<string, Buffer> = new Map();
  #image: ImageSummary = { entries: 0, regularFiles: 0, installedBytes: 0, files: undefined };

  constructor(
    source: ByteSource,
    options: VerifyOptions & { readonly limits: PackageLimits; readonly signal: AbortSignal },
  ) {
    this.#source = source;
    this.#options = options;
    this.#limits = options.limits;
    this.#clock = options.clock ?? systemClock;
    this.#deadline = this.#clock.now() + this.#limits.timeMs;
    this.#signal = options.signal;
  }

  async run(): Promise<VerifiedPackage> {
    const container = await readContainer(this.#source, this.#limits);
    const { metadata, image } = findInnerArchives(container, this.#limits);
    const manifest = await openManifest(this.#source, container, this.#options);
    compareWithManifest(container, manifest.records);
    if (manifest.signed) {
      requireSignatures(container);
    }
    const members: VerifiedMember[] = [];
    for (const member of container.members.values()) {
      members.push(
        member.name === MANIFEST
          ? manifest.member
          : await this.#member(member, {
              records: manifest.records,
              inner: [metadata, image].find((archive) => archive.member === member),
              signature: container.members.get(member.name + SIGNATURE_SUFFIX),
            }),
      );
    }
    return {
      base: container.base,
      members,
      metadataMember: present(members, metadata.member.name),
      imageMember: present(members, image.member.name),
      metadata: this.#metadata,
      image: this.#image,
      signed: manifest.signed,
      fingerprint: manifest.fingerprint,
    };
  }

  async #member(
    member: ContainerMember,
    about: {
      readonly records: ReadonlyMap<string, ManifestRecord>;
      readonly inner: Inner | undefined;
      readonly signature: ContainerMember | undefined;
    },
  ): Promise<VerifiedMember> {
    const signature = await readMemberSignature(this.#source, about.signature, this.#options);
    const stream = new MemberStream(this.#source, member, {
      onPiece: () => this.#checkTime(),
      further: signature?.further ?? [],
    });
    const failure = about.inner === undefined ? undefined : await this.#open(about.inner, stream);
    const { blake2b, sha512, ...states } = await stream.finish();
    checkDigests(member, { blake2b, sha512 }, about.records);
    if (signature !== undefined) {
      await checkMemberSignature(member, signature, states);
    }
    if (failure !== undefined) {
      throw failure.error;
    }
    const verified = { ...member, blake2b, sha512 };
    this.#options.onMember?.(verified, states.sha512State);
    return verified;
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
    const use = this.#options.visit === undefined && inner.suffix === 'zst' ? 'passing' : 'kept';
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
      signal: this.#signal,
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
    if (this.#signal.aborted) {
      throw new AppError('verification-aborted', 'The verification was stopped.');
    }
  }
}

function present<T extends { readonly name: string }>(members: readonly T[], name: string): T {
  const member = members.find((candidate) => candidate.name === name);
  if (member === undefined) {
    throw new Error(`the container has lost its ${name}`);
  }
  return member;
}
