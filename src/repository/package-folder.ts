import { type Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../support/errors.ts';
import { TEMPORARY_PREFIX } from './pool.ts';

/** The folders of packages of a profile, `<category>/<pn>`, sorted. */
export async function packageFolders(packages: string): Promise<string[]> {
  const found: string[] = [];
  for (const category of await foldersIn(packages)) {
    for (const pn of await foldersIn(join(packages, category))) {
      found.push(`${category}/${pn}`);
    }
  }
  return found;
}

/** The names of files in a folder, sorted; what is still being made is left out. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await entriesOf(folder);
  return entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith(TEMPORARY_PREFIX))
    .map(({ name }) => name)
    .toSorted();
}

/** The names of folders in a folder, sorted; none when it does not exist. Symbolic links are no folders. */
export async function foldersIn(path: string): Promise<string[]> {
  const entries = await entriesOf(path);
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted();
}

async function entriesOf(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return [];
    }
    throw error;
  }
}
