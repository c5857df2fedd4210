import type { Clock } from '../../support/clock.ts';
import type { ByteSource } from '../byte-source.ts';
import type { EntryVisitor, ImageSummary } from '../gpkg/image-archive.ts';
import { DEFAULT_LIMITS, type PackageLimits } from '../limits.ts';
import { type StoredImage, XpakImage } from './image.ts';
import { xpakRefusal } from './refusals.ts';
import { readXpak } from './segment.ts';

export type { StoredImage } from './image.ts';

export interface VerifyXpakOptions {
  readonly limits?: Partial<PackageLimits>;
  /** `required` refuses every XPAK, as Portage does where a binrepo verifies: the format has no signatures. */
  readonly signatures?: 'required' | 'if-present';
  readonly listFiles?: boolean;
  /** Is shown the files of the image in the same pass; what it saw counts only once the package is verified. */
  readonly visit?: EntryVisitor;
  /** Stops the work, programs included. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

export interface VerifiedXpak {
  readonly storedImage: StoredImage;
  /** Where the metadata lie in the file. */
  readonly segment: { readonly offset: number; readonly size: number };
  /** Key to bytes in the order of the index. `readMetadata` types it. */
  readonly metadata: ReadonlyMap<string, Buffer>;
  readonly image: ImageSummary;
}

/**
 * Checks one XPAK as far as the format allows: trailer, lengths, every key of the metadata, and every entry of the
 * image, reading each byte once. The format has no digests and no signatures, so damage within a file of an
 * uncompressed image stays unseen.
 *
 * Throws the codes of `XPAK_REFUSALS`; `program-not-found` when a decompressor is not installed;
 * `verification-aborted`.
 */
export async function verifyXpak(
  source: ByteSource,
  options: VerifyXpakOptions = {},
): Promise<VerifiedXpak> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { imageBytes, segment, metadata } = await readXpak(source, limits);
  if (options.signatures === 'required') {
    throw xpakRefusal('xpak-unsigned', 'An XPAK cannot be signed; convert it to a GPKG.');
  }
  const image = new XpakImage(source, imageBytes, { ...options, limits });
  for await (const { entry, content } of image.entries()) {
    await options.visit?.(entry, content);
  }
  return { storedImage: image.stored(), segment, metadata, image: image.summary() };
}
