import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../support/errors.ts';
import { syncDirectory } from '../../support/files.ts';
import type { IndexBlock } from './assemble-index.ts';
import { COMPRESSED_NAME, INDEX_NAME } from './known-index.ts';
import { type PackedBlocks, packBlocks } from './packed-blocks.ts';

const GROUP_BITS = 0o060;

/**
 * Puts an index into place as `Packages` and `Packages.gz`, both of the time of its TIMESTAMP
 * (`portage/dbapi/bintree.py:_pkgindex_write`), with the group of the folder and what that may do. Readers see old files or
 * new ones; when it fails, the old ones. Only who holds the lock of the index may call it.
 */
export async function writeIndex(
  pkgdir: string,
  index: {
    readonly blocks: readonly IndexBlock[];
    /** Those of the index that was there. */
    readonly packed: PackedBlocks;
    /** Whether there is to be a `Packages.gz`. */
    readonly isCompressed: boolean;
    readonly timestampSeconds: number;
  },
): Promise<void> {
  const { blocks, packed, isCompressed, timestampSeconds } = index;
  const folder = await fs.stat(pkgdir);
  const put = async (name: string, content: () => Promise<Buffer[]>): Promise<string> => {
    const temporary = join(pkgdir, `.${name}.rookery-new`);
    await fs.rm(temporary, { force: true });
    const handle = await fs.open(
      temporary,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      0o644,
    );
    try {
      for (const piece of await content()) {
        await handle.writeFile(piece);
      }
      await permit(handle, folder);
      await handle.utimes(timestampSeconds, timestampSeconds);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return temporary;
  };
  const names = isCompressed ? [INDEX_NAME, COMPRESSED_NAME] : [INDEX_NAME];
  const written = await Promise.allSettled([
    put(INDEX_NAME, async () => blocks.map(({ bytes }) => bytes)),
    ...(isCompressed ? [put(COMPRESSED_NAME, async () => await packBlocks(blocks, packed))] : []),
  ]);
  try {
    const files = written.map((one) => {
      if (one.status === 'rejected') {
        throw one.reason;
      }
      return one.value;
    });
    for (const [at, file] of files.entries()) {
      await fs.rename(file, join(pkgdir, names[at] ?? ''));
    }
  } finally {
    for (const name of names) {
      await fs.rm(join(pkgdir, `.${name}.rookery-new`), { force: true });
    }
  }
  await syncDirectory(pkgdir);
}

async function permit(
  handle: fs.FileHandle,
  folder: { readonly gid: number; readonly mode: number },
): Promise<void> {
  try {
    await handle.chown(-1, folder.gid);
  } catch (error) {
    if (!isErrno(error, 'EPERM')) {
      throw error;
    }
  }
  await handle.chmod(0o644 | (folder.mode & GROUP_BITS));
}
