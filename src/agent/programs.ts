import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../support/errors.ts';

/** The path of a program on the PATH of an environment. */
export async function findProgram(
  name: string,
  environment: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  for (const folder of (environment.PATH ?? '').split(':')) {
    const path = join(folder, name);
    if (folder.startsWith('/') && (await isProgram(path))) {
      return path;
    }
  }
  return undefined;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP'].some((code) => isErrno(error, code))) {
      return false;
    }
    throw error;
  }
}
