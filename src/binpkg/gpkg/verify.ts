import type { ByteSource } from '../byte-source.ts';
import { type VerifiedPackage, type VerifyOptions, withOpenGpkg } from './open-gpkg.ts';

export type { EntryVisitor, ImageEntry, ImageSummary } from './image-archive.ts';
export type { VerifiedPackage, VerifyOptions } from './open-gpkg.ts';
export type { VerifiedMember } from './open-manifest.ts';

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
  return await withOpenGpkg(source, options, async (opened) => await opened.finish());
}
