import { type Clock, systemClock } from '../../support/clock.ts';
import { DigestSet } from '../../support/digests.ts';
import { AppError, isAppError } from '../../support/errors.ts';
import { BLOCK_BYTES, decodeTarHeader } from '../archive/tar-header.ts';
import type { ByteSource } from '../byte-source.ts';
import { type CompressionSuffix, decompress } from '../compression.ts';
import {
  type ImageEntry,
  type ImageSummary,
  ImageWalk,
  imageEntries,
} from '../gpkg/image-archive.ts';
import type { PackageLimits } from '../limits.ts';
import { isXpakRefusal, type XpakRefusal, xpakRefusal } from './refusals.ts';

export interface XpakImageOptions {
  readonly limits: PackageLimits;
  readonly listFiles?: boolean;
  /** Stops the work, programs included. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

/** The archive as it is stored. Digests are lowercase hex. */
export interface StoredImage {
  readonly size: number;
  /** `tar` where it is not compressed. */
  readonly compression: CompressionSuffix | 'tar';
  readonly blake2b: string;
  readonly sha512: string;
}

const NAME = 'the image';
const PROBE_BYTES = BLOCK_BYTES;
/** What a compressed file begins with, in hex (`portage/util/compression_probe.py`). */
const MAGICS: readonly (readonly [CompressionSuffix, RegExp])[] = [
  ['bz2', /^425a6839/],
  ['gz', /^1f8b/],
  ['lz4', /^(?:04224d18|02214c18)/],
  ['lz', /^4c5a4950/],
  ['lzo', /^894c5a4f000d0a1a0a/],
  ['xz', /^fd377a585a00/],
  ['zst', /^2[2-8]b52ffd/],
];
const MAGIC_BYTES = 9;

/**
 * The image of an XPAK, read once. Its compression is told by its first bytes, its paths begin at the root of the
 * archive (`./usr`, and `.` itself), as `gtar -C "${D}" .` writes it and `_emerge/BinpkgExtractorAsync.py` unpacks it.
 */
export class XpakImage {
  readonly #source: ByteSource;
  readonly #size: number;
  readonly #options: XpakImageOptions;
  readonly #walk: ImageWalk;
  readonly #digests = new DigestSet(['blake2b512', 'sha512']);
  readonly #clock: Clock;
  readonly #deadline: number;
  #compression: CompressionSuffix | 'tar' = 'tar';

  constructor(source: ByteSource, size: number, options: XpakImageOptions) {
    this.#source = source;
    this.#size = size;
    this.#options = options;
    this.#walk = new ImageWalk(options.limits, {
      root: 'archive-root',
      listFiles: options.listFiles === true,
    });
    this.#clock = options.clock ?? systemClock;
    this.#deadline = this.#clock.now() + options.limits.timeMs;
  }

  /**
   * Every entry, checked as those of a GPKG are, to the last byte of the archive.
   *
   * Throws `xpak-image-*`, `xpak-ratio-exceeded`, `xpak-time-exceeded`, `program-not-found`, `verification-aborted`.
   */
  async *entries(): AsyncGenerator<{
    readonly entry: ImageEntry;
    readonly content: AsyncIterable<Buffer>;
  }> {
    const first = await this.#source.read(0, Math.min(PROBE_BYTES, this.#size));
    this.#compression = compressionOf(first);
    const archive = this.#timed(this.#unpacked());
    const steps = imageEntries(archive, this.#options.limits, this.#walk);
    for await (const { entry, content } of this.#explained(steps)) {
      yield { entry, content: this.#explained(content) };
    }
    for await (const piece of this.#stored()) {
      void piece;
    }
  }

  /** Of all entries that `entries` has given. */
  summary(): ImageSummary {
    return this.#walk.summary();
  }

  /** Once, after `entries` has come to its end. */
  stored(): StoredImage {
    const size = this.#digests.size;
    const digests = this.#digests.finish();
    return {
      size,
      compression: this.#compression,
      blake2b: digests.of('blake2b512'),
      sha512: digests.of('sha512'),
    };
  }

  /** What has not been read yet, hashed as it passes. */
  async *#stored(): AsyncGenerator<Buffer> {
    const done = this.#digests.size;
    for await (const piece of this.#source.stream(done, this.#size - done)) {
      this.#checkTime();
      this.#digests.update(piece);
      yield piece;
    }
  }

  #unpacked(): AsyncIterable<Buffer> {
    const { limits, signal } = this.#options;
    if (this.#compression === 'tar') {
      return this.#stored();
    }
    return decompress(this.#compression, this.#stored(), {
      name: NAME,
      maxBytes: limits.imageBytes,
      limits,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async *#timed(archive: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of archive) {
      this.#checkTime();
      yield piece;
    }
  }

  /** What goes wrong on the way, in the words of a refusal. */
  async *#explained<T>(steps: AsyncIterable<T>): AsyncGenerator<T> {
    try {
      yield* steps;
    } catch (error) {
      this.#checkTime();
      throw imageFailure(error);
    }
  }

  #checkTime(): void {
    const { limits, signal } = this.#options;
    if (this.#clock.now() > this.#deadline) {
      throw xpakRefusal('xpak-time-exceeded', `Reading took longer than ${limits.timeMs} ms.`);
    }
    if (signal?.aborted) {
      throw new AppError('verification-aborted', 'The verification was stopped.');
    }
  }
}

function compressionOf(first: Buffer): CompressionSuffix | 'tar' {
  const begin = first.toString('hex', 0, MAGIC_BYTES);
  const found = MAGICS.find(([, magic]) => magic.test(begin));
  if (found !== undefined) {
    return found[0];
  }
  if (isTarHeader(first)) {
    return 'tar';
  }
  throw xpakRefusal(
    'xpak-image-compression',
    `The image begins with the bytes ${begin}, which is no compression that Portage knows.`,
    { details: { begin } },
  );
}

function isTarHeader(block: Buffer): boolean {
  try {
    return block.length === BLOCK_BYTES && decodeTarHeader(block) !== undefined;
  } catch (error) {
    if (isAppError(error)) {
      return false;
    }
    throw error;
  }
}

function imageFailure(error: unknown): unknown {
  if (!isAppError(error) || error.code.startsWith('xpak-')) {
    return error;
  }
  const code = refusalFor(error.code);
  return code === undefined
    ? error
    : xpakRefusal(code, error.message, {
        cause: error,
        details: { ...error.details, reason: error.code },
      });
}

function refusalFor(code: string): XpakRefusal | undefined {
  const same = code.replace(/^gpkg-/, 'xpak-');
  if (isXpakRefusal(same)) {
    return same;
  }
  if (code === 'decompression-too-large') {
    return 'xpak-image-too-large';
  }
  if (code === 'decompression-ratio') {
    return 'xpak-ratio-exceeded';
  }
  const isDamage = code === 'decompression-failed' || code.startsWith('tar-');
  return isDamage ? 'xpak-image-damaged' : undefined;
}
