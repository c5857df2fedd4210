import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../support/errors.ts';
import { incomingName, REJECTED } from './incoming-names.ts';

/** Calls `onFile` for everything in the drop folder that is to be imported. Links are not followed. */
export async function findIncoming(
  folder: string,
  onFile: (path: string) => void,
  signal: AbortSignal,
  below = '',
): Promise<void> {
  let entries;
  try {
    entries = await readdir(join(folder, below), { withFileTypes: true });
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].some((code) => isErrno(error, code))) {
      return;
    }
    throw error;
  }
  for (const entry of entries) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    const isAside = entry.name === REJECTED && path.split('/').length <= 2;
    if (signal.aborted || entry.name.startsWith('.') || isAside) {
      continue;
    }
    if (entry.isDirectory()) {
      await findIncoming(folder, onFile, signal, path);
    } else if (incomingName(path) !== undefined) {
      onFile(join(folder, path));
    }
  }
}
