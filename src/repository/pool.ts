import { constants } from 'node:fs';
import { copyFile, link, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeDurableFolder } from '../support/durable-folder.ts';
import { AppError, isErrno } from '../support/errors.ts';
import { exists, syncDirectory } from '../support/files.ts';
import { newId } from '../support/ids.ts';

/** How the name of a copy starts while it is being made beside its final name. */
export const TEMPORARY_PREFIX = '.tmp-';

/** The lock under which a file of the pool comes to be referred to, or is removed because it no longer is. */
export function poolLock(sha512: string): string {
  return `repository-pool:${sha512}`;
}

/**
 * The store of package files, each under its own digest: `<2 hex>/<sha512>`. A file in it never changes; every
 * other place that shows it is a hard link, or a copy where the other place is on another file system.
 */
export class Pool {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  pathOf(sha512: string): string {
    if (!/^[0-9a-f]{128}$/.test(sha512)) {
      throw new Error(`not a SHA-512 digest: ${sha512}`);
    }
    return join(this.#folder, sha512.slice(0, 2), sha512);
  }

  /** Takes over a finished file of this digest, durably; a file that it has already is kept as it is. */
  async adopt(
    temporary: string,
    file: { readonly sha512: string; readonly mtimeSeconds: number },
  ): Promise<void> {
    const path = this.pathOf(file.sha512);
    await makeDurableFolder(dirname(path));
    if (await exists(path)) {
      return;
    }
    await settle(temporary, file.mtimeSeconds);
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  }

  /**
   * Shows a file of the pool under a further name, durably.
   *
   * Throws `package-path-taken` when something is there already: a published path never changes its content.
   */
  async place(sha512: string, path: string): Promise<void> {
    const source = this.pathOf(sha512);
    await makeDurableFolder(dirname(path));
    try {
      await linkOrCopy(source, path);
    } catch (error) {
      if (isErrno(error, 'EEXIST')) {
        throw new AppError('package-path-taken', `There is a file ${basename(path)} already.`, {
          cause: error,
        });
      }
      throw error;
    }
    await syncDirectory(dirname(path));
  }

  /** Takes in a file of this digest that stands elsewhere, durably, as a further name of it or a copy. */
  async takeIn(sha512: string, file: string): Promise<void> {
    const path = this.pathOf(sha512);
    await makeDurableFolder(dirname(path));
    await linkOrCopy(file, path);
    await syncDirectory(dirname(path));
  }

  /**
   * Makes a name that is a copy of a file of the pool a link to it, with one rename from `temporary`, which is on the
   * file system of the pool. False when it has to stay a copy, on another one.
   */
  async linkAgain(sha512: string, path: string, temporary: string): Promise<boolean> {
    const source = this.pathOf(sha512);
    const [{ ino, dev }, shown] = await Promise.all([stat(source), stat(path)]);
    if (shown.dev !== dev) {
      return false;
    }
    if (shown.ino !== ino) {
      await link(source, temporary);
      await rename(temporary, path);
      await syncDirectory(dirname(path));
    }
    return true;
  }

  async remove(sha512: string): Promise<void> {
    await rm(this.pathOf(sha512), { force: true });
  }
}

async function linkOrCopy(source: string, path: string): Promise<void> {
  try {
    await link(source, path);
  } catch (error) {
    if (!isErrno(error, 'EXDEV')) {
      throw error;
    }
    await copyBeside(source, path);
  }
}

async function copyBeside(source: string, path: string): Promise<void> {
  const temporary = join(dirname(path), `${TEMPORARY_PREFIX}${newId('copy')}`);
  try {
    await copyFile(source, temporary, constants.COPYFILE_EXCL);
    await settle(temporary, (await stat(source)).mtimeMs / 1000);
    await link(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function settle(path: string, mtimeSeconds: number): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.chmod(0o644);
    await handle.utimes(mtimeSeconds, mtimeSeconds);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
