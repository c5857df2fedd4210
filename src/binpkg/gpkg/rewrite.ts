import type { AnyPackageSigner } from '../package-signer.ts';
import { type WrittenPackage, writeContainer } from './container-writer.ts';
import { checkBase, containerFormat, MARKER, SIGNATURE_SUFFIX } from './layout.ts';
import type { OpenGpkg } from './open-gpkg.ts';
import { packMetadata } from './write.ts';

export interface RewriteGpkgRequest {
  /** Keys to set; `undefined` removes a key. New keys go to the end. None: the archive is taken over as it is. */
  readonly metadata?: ReadonlyMap<string, Buffer | string | undefined>;
  /** Absent: the result is unsigned. */
  readonly signer?: AnyPackageSigner;
  /** New folder name inside the container. Default: that of the source. */
  readonly base?: string;
  /**
   * Created; must not exist yet. Its folder is synced too. It is a whole package only when this has returned: the
   * caller then gives it the name that others look for.
   */
  readonly out: string;
  /** Of all headers. */
  readonly mtimeSeconds: number;
}

/**
 * Verifies the rest of a package and in the same pass writes it anew with changed metadata and new signatures. The
 * compressed image, its name and any further members are taken over byte by byte; old signatures are dropped. A
 * member is signed, and the Manifest written, only after it was found good. When anything is refused or fails, `out`
 * does not exist.
 *
 * Throws what `verifyGpkg` throws, `gpkg-base-invalid`, `metadata-key-invalid`, the system's `EEXIST`.
 */
export async function rewriteGpkg(
  opened: OpenGpkg,
  request: RewriteGpkgRequest,
): Promise<WrittenPackage> {
  const { head, metadataBytes } = opened;
  const { signer, out, mtimeSeconds, base = head.base, metadata: changes = new Map() } = request;
  checkBase(base);
  const metadata =
    changes.size === 0
      ? { name: head.metadataMember.name, bytes: metadataBytes }
      : {
          name: 'metadata.tar.zst',
          bytes: await packMetadata(changed(head.metadata, changes), mtimeSeconds),
        };
  const format = containerFormat(base, head.imageMember.size);
  return await writeContainer(out, { base, format, signer, mtimeSeconds }, async (writer) => {
    await writer.add(metadata.name, metadata.bytes.length, [metadata.bytes]);
    await opened.finish(async ({ name, size }) =>
      name === MARKER || name.endsWith(SIGNATURE_SUFFIX)
        ? undefined
        : await writer.begin(name, size),
    );
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
