import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../support/errors.ts';
import type { RepositoryContext } from '../repository-context.ts';
import type { PlacedPackage } from './check-store.ts';
import { faultOfBytes } from './file-names.ts';

/** Another file with the bytes of this package: one that is offered, or one that waits in the drop folder. */
export async function findCopy(
  { layout }: RepositoryContext,
  expected: PlacedPackage,
  offered: readonly string[],
  onBytes: (count: number) => void,
): Promise<string | undefined> {
  for (const path of [...offered, ...(await filesOfSize(layout.incoming, expected.size))]) {
    if ((await faultOfBytes(path, expected, onBytes)) === undefined) {
      return path;
    }
  }
  return undefined;
}

/** Regular files of this size below a folder. Links are not followed. */
async function filesOfSize(folder: string, size: number): Promise<string[]> {
  const found: string[] = [];
  try {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() && (await lstat(path)).size === size) {
        found.push(path);
      }
    }
    return found;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return found;
    }
    throw error;
  }
}
