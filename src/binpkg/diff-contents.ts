import { DigestSet } from '../support/digests.ts';
import type { EntryVisitor } from './gpkg/image-archive.ts';
import type { VerifyOptions } from './gpkg/verify.ts';
import { type PackageFile, verifyPackageFile } from './package-file.ts';

/** What there is to compare of one path of an image. */
export interface FileFacts {
  readonly type: 'file' | 'symlink' | 'directory';
  /** Permission bits. */
  readonly mode: number;
  /** `user:group`, by name where there is one. */
  readonly owner: string;
  /** Bytes of content; 0 for all but files. */
  readonly size: number;
  /** Target of a symbolic link, else empty. */
  readonly linkTarget: string;
  /** SHA-256 of the content of a file, lowercase hex, else empty. */
  readonly sha256: string;
}

/** What there is to compare of a package, of either format. */
export interface PackageContents {
  readonly metadata: ReadonlyMap<string, Buffer>;
  /** By path below the image, `usr/bin/x`; the image folder itself is not in it. */
  readonly files: ReadonlyMap<string, FileFacts>;
}

/**
 * Verifies a package and takes down what is in it, in one pass. A hard link counts as the file that it is: which of
 * its names comes first is an accident of packing.
 *
 * Throws what `verifyPackageFile` throws.
 */
export async function readPackageContents(
  file: Pick<PackageFile, 'format' | 'source'>,
  options: VerifyOptions = {},
): Promise<PackageContents> {
  const files = new Map<string, FileFacts>();
  const { metadata } = await verifyPackageFile(file, { ...options, visit: takeDown(files) });
  return { metadata, files };
}

function takeDown(files: Map<string, FileFacts>): EntryVisitor {
  return async (entry, content) => {
    const { path, type, mode, size } = entry;
    if (path === '') {
      return;
    }
    if (type === 'hardlink') {
      const target = files.get(entry.linkPath);
      if (target !== undefined) {
        files.set(path, target);
      }
      return;
    }
    files.set(path, {
      type,
      mode,
      owner: `${entry.uname || entry.uid}:${entry.gname || entry.gid}`,
      size,
      linkTarget: entry.linkPath,
      sha256: type === 'file' ? await digestOfContent(content) : '',
    });
  };
}

async function digestOfContent(content: AsyncIterable<Buffer>): Promise<string> {
  const digest = new DigestSet(['sha256']);
  for await (const piece of content) {
    digest.update(piece);
  }
  return digest.finish().of('sha256');
}
