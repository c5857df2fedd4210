import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { AppError, isErrno } from '../support/errors.ts';
import { syncDirectory } from '../support/files.ts';

/**
 * Puts what `makeToken` gives into a new file that only its owner can read. The file is made first, so that no token
 * is made that could not be kept; nothing stays of it when the token is not made.
 *
 * Throws `token-file-exists`, `token-file-unwritable`, and what `makeToken` throws.
 */
export async function intoTokenFile<T extends { readonly token: string }>(
  place: { readonly file: string; readonly cwd: string },
  makeToken: () => Promise<T>,
): Promise<T> {
  const path = resolve(place.cwd, place.file);
  const handle = await reserve(path, place.file);
  try {
    const made = await makeToken();
    await handle.writeFile(`${made.token}\n`);
    await handle.sync();
    await syncDirectory(dirname(path));
    return made;
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

async function reserve(path: string, shown: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) {
      throw new AppError(
        'token-file-exists',
        `There is a file ${shown} already; it is not replaced.`,
      );
    }
    throw new AppError('token-file-unwritable', `The token file ${shown} cannot be written.`, {
      cause: error,
    });
  }
}
