import { createWriteStream } from 'node:fs';
import { chmod, link, mkdir, symlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ensureInside } from '../support/files.ts';
import type { EntryVisitor } from './gpkg/image-archive.ts';
import type { VerifyOptions } from './gpkg/verify.ts';
import { type PackageFile, verifyPackageFile } from './package-file.ts';

/**
 * Unpacks the image of a package into a folder that is there and empty, and verifies the package in the same pass: what
 * lies there is good only once this comes back. Owners are left out, and set-id bits.
 *
 * Throws what `verifyPackageFile` throws.
 */
export async function extractImage(
  file: Pick<PackageFile, 'format' | 'source'>,
  folder: string,
  options: VerifyOptions = {},
): Promise<void> {
  await verifyPackageFile(file, { ...options, visit: writingTo(folder) });
}

function writingTo(folder: string): EntryVisitor {
  return async ({ path, type, linkPath, mode }, content) => {
    if (path === '') {
      return;
    }
    const place = ensureInside(folder, path);
    await mkdir(dirname(place), { recursive: true });
    switch (type) {
      case 'directory':
        await mkdir(place, { recursive: true });
        return;
      case 'symlink':
        await symlink(linkPath, place);
        return;
      case 'hardlink':
        await link(ensureInside(folder, linkPath), place);
        return;
      case 'file':
        await pipeline(Readable.from(content), createWriteStream(place, { flags: 'wx' }));
        await chmod(place, mode & 0o777);
    }
  };
}
