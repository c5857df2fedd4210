import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Every regular file below a folder, sorted, relative to it. Symbolic links are not followed. */
export async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  const folders = [''];
  for (let inside = folders.pop(); inside !== undefined; inside = folders.pop()) {
    for (const entry of await readdir(join(folder, inside), { withFileTypes: true })) {
      const path = join(inside, entry.name);
      if (entry.isDirectory()) {
        folders.push(path);
      } else if (entry.isFile()) {
        found.push(path);
      }
    }
  }
  return found.toSorted();
}
