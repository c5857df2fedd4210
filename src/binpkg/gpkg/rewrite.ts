import type { ByteSource } from '../byte-source.ts';
import type { AnyPackageSigner } from '../package-signer.ts';
import { type ContainerWriter, type WrittenPackage, writeContainer } from './container-writer.ts';
import { checkBase, containerFormat, MANIFEST, MARKER, SIGNATURE_SUFFIX } from './layout.ts';
import { refusal } from './refusals.ts';
import type { VerifiedMember, VerifiedPackage } from './verify.ts';
import { packMetadata } from './write.ts';

export interface RewriteGpkgRequest {
  /** What `verified` was made from. */
  readonly source: ByteSource;
  readonly verified: VerifiedPackage;
  /** Keys to set; `undefined` removes a key. New keys go to the end. None: the archive is taken over as it is. */
  readonly metadata: ReadonlyMap<string, Buffer | string | undefined>;
  /** Absent: the result is unsigned. */
  readonly signer?: AnyPackageSigner;
  /** New folder name inside the container. Default: that of the source. */
  readonly base?: string;
  /** Created; must not exist yet. Its folder is synced too. */
  readonly out: string;
  /** Of all headers. */
  readonly mtimeSeconds: number;
}

/**
 * Writes the package anew with changed metadata and new signatures. The compressed image, its name and any further
 * members are taken over byte by byte and compared with what was verified; old signatures are dropped. When it
 * fails, `out` does not exist.
 *
 * Throws `gpkg-source-changed`, `gpkg-base-invalid`, `metadata-key-invalid`, the system's `EEXIST`.
 */
export async function rewriteGpkg(request: RewriteGpkgRequest): Promise<WrittenPackage> {
  const { verified, signer, out, mtimeSeconds } = request;
  const base = request.base ?? verified.base;
  checkBase(base);
  const metadata =
    request.metadata.size === 0
      ? undefined
      : await packMetadata(changed(verified.metadata, request.metadata), mtimeSeconds);
  const format = containerFormat(base, verified.imageMember.size);
  return await writeContainer(out, { base, format, signer, mtimeSeconds }, async (writer) => {
    if (metadata === undefined) {
      await copyMember(writer, request.source, verified.metadataMember);
    } else {
      await writer.add('metadata.tar.zst', metadata.length, [metadata]);
    }
    await copyMember(writer, request.source, verified.imageMember);
    for (const member of furtherMembers(verified)) {
      await copyMember(writer, request.source, member);
    }
  });
}

function changed(
  metadata: ReadonlyMap<string, Buffer>,
  changes: ReadonlyMap<string, Buffer | string | undefined>,
): ReadonlyMap<string, Buffer | string> {
  const result = new Map<string, Buffer | string>(metadata);
  for (const [key, value] of changes) {
    if (value === undefined) {
      result.delete(key);
    } else {
      result.set(key, value);
    }
  }
  return result;
}

function furtherMembers(verified: VerifiedPackage): VerifiedMember[] {
  const rebuilt = [MARKER, MANIFEST, verified.metadataMember.name, verified.imageMember.name];
  return verified.members.filter(
    ({ name }) => !rebuilt.includes(name) && !name.endsWith(SIGNATURE_SUFFIX),
  );
}

async function copyMember(
  writer: ContainerWriter,
  source: ByteSource,
  member: VerifiedMember,
): Promise<void> {
  const { name, offset, size } = member;
  if (offset + size > source.size) {
    throw changedSince(name);
  }
  const record = await writer.add(name, size, source.stream(offset, size));
  if (record.sha512 !== member.sha512 || record.blake2b !== member.blake2b) {
    throw changedSince(name);
  }
}

function changedSince(name: string): Error {
  return refusal('gpkg-source-changed', `${name} is no longer what was verified.`, {
    details: { name },
  });
}
