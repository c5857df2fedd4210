import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { AppError, isErrno } from '../../support/errors.ts';

/** The absolute path of a folder of packages. Throws `pkgdir-missing`, `pkgdir-not-accessible`. */
export async function openPkgdir(pkgdir: string, purpose: 'to-read' | 'to-write'): Promise<string> {
  const folder = resolve(pkgdir);
  if (!(await isFolder(folder))) {
    throw new AppError('pkgdir-missing', `There is no folder ${pkgdir}.`);
  }
  const mode = constants.R_OK | constants.X_OK | (purpose === 'to-write' ? constants.W_OK : 0);
  try {
    await access(folder, mode);
  } catch (error) {
    const action = purpose === 'to-write' ? 'change' : 'read';
    throw new AppError('pkgdir-not-accessible', `There is no permission to ${action} ${pkgdir}.`, {
      cause: error,
    });
  }
  return folder;
}

async function isFolder(folder: string): Promise<boolean> {
  try {
    return (await stat(folder)).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) {
      return false;
    }
    throw error;
  }
}
