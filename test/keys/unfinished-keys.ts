import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Files that a stopped process has left behind where the keys of the installation below `place` are. */
export async function unfinishedIn(place: string): Promise<string[]> {
  const folders = [join(place, 'state/signing'), join(place, 'mirror-root/keys')];
  const names = await Promise.all(folders.map(async (folder) => await readdir(folder)));
  return names.flat().filter((name) => name.includes('tmp-'));
}
