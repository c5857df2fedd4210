import type { ByteSource } from '../byte-source.ts';
import { decompress } from '../compression.ts';
import { DEFAULT_LIMITS, type PackageLimits } from '../limits.ts';
import type { PackageVerifier } from '../package-signer.ts';
import { compareWithManifest, requireSignatures } from './compare-manifest.ts';
import { readContainer } from './container.ts';
import { findInnerArchives } from './inner-archives.ts';
import { MANIFEST, SIGNATURE_SUFFIX } from './layout.ts';
import { MemberStream } from './member-stream.ts';
import { readMetadataArchive } from './metadata-archive.ts';
import {
  checkDigests,
  checkMemberSignature,
  openManifest,
  readMemberSignature,
} from './open-manifest.ts';
import { innerFailure } from './verify-failures.ts';

export interface ReadMetadataOptions {
  readonly limits?: Partial<PackageLimits>;
  readonly verifier?: PackageVerifier;
}

/**
 * The metadata of a GPKG without a look at its image: container, Manifest, and everything but `image*` is checked
 * as `verifyGpkg` does (`portage/gpkg.py:_verify_binpkg` with `metadata_only`, and `unpack_metadata`). The image's
 * bytes are not read.
 *
 * Throws the codes of `verifyGpkg` but for those that the image has.
 */
export async function readGpkgMetadata(
  source: ByteSource,
  options: ReadMetadataOptions = {},
): Promise<ReadonlyMap<string, Buffer>> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const checks = { limits, verifier: options.verifier };
  const container = await readContainer(source, limits);
  const inner = findInnerArchives(container, limits).metadata;
  const { records, signed } = await openManifest(source, container, checks);
  compareWithManifest(container, records);
  if (signed) {
    requireSignatures(container);
  }
  let metadata: ReadonlyMap<string, Buffer> = new Map();
  for (const member of container.members.values()) {
    if (member.name === MANIFEST || member.name.startsWith('image')) {
      continue;
    }
    const file = container.members.get(member.name + SIGNATURE_SUFFIX);
    const signature = await readMemberSignature(source, file, checks);
    const stream = new MemberStream(source, member, { further: signature?.further ?? [] });
    const failure: { error?: unknown } = {};
    if (member === inner.member) {
      const archive = decompress(inner.suffix, stream.pieces(), {
        name: member.name,
        maxBytes: limits.metadataBytes,
        limits,
      });
      try {
        metadata = await readMetadataArchive(archive, limits);
      } catch (error) {
        failure.error = innerFailure(error, inner);
      }
    }
    const { blake2b, sha512, ...states } = await stream.finish();
    checkDigests(member, { blake2b, sha512 }, records);
    if (signature !== undefined) {
      await checkMemberSignature(member, signature, states);
    }
    if ('error' in failure) {
      throw failure.error;
    }
  }
  return metadata;
}
