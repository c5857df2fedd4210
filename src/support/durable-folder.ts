import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from './files.ts';

/** Makes a folder and what is missing above it, and makes all the new names durable. */
export async function makeDurableFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) {
    return;
  }
  const end = dirname(first);
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    await syncDirectory(folder);
    if (folder === end || folder === dirname(folder)) {
      return;
    }
  }
}
