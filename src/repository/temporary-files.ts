import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDurableFolder } from '../support/durable-folder.ts';
import { namesIn } from '../support/files.ts';
import { newId } from '../support/ids.ts';

/** A folder of files that nobody needs once the process that made them is gone. */
export class TemporaryFiles {
  readonly #folder: string;
  readonly #held = new Set<string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A path that nothing is at yet. It is kept from `removeLeftovers` until it is discarded. */
  async newPath(kind: string): Promise<string> {
    await makeDurableFolder(this.#folder);
    const name = `${newId(kind)}.part`;
    this.#held.add(name);
    return join(this.#folder, name);
  }

  /** Removes the file, if it is still there. Paths from elsewhere are removed as well. */
  async discard(path: string): Promise<void> {
    await rm(path, { force: true });
    for (const name of this.#held) {
      if (path === join(this.#folder, name)) {
        this.#held.delete(name);
      }
    }
  }

  /** Removes what earlier processes left. Returns the names. */
  async removeLeftovers(): Promise<string[]> {
    const names = (await namesIn(this.#folder)).filter((name) => !this.#held.has(name));
    for (const name of names) {
      await rm(join(this.#folder, name), { force: true, recursive: true });
    }
    return names;
  }
}
