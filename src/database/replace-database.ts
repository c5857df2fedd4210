import { link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isErrno } from '../support/errors.ts';
import { exists, syncDirectory } from '../support/files.ts';

const MAGIC = 'SQLite format 3\0';
/** Files that SQLite keeps beside a database that was not closed in order. */
const COMPANIONS = ['-wal', '-shm'];

/**
 * Puts a closed database file in the place of another, which keeps its bytes under the name `aside`. At every moment
 * there is a whole database at `path`, the old one or the new one.
 */
export async function replaceDatabase(path: string, made: string, aside: string): Promise<void> {
  for (const companion of COMPANIONS) {
    await moveIfPresent(path + companion, aside + companion);
  }
  if (await exists(path)) {
    await link(path, aside);
  }
  await syncDirectory(dirname(path));
  await rename(made, path);
  await syncDirectory(dirname(path));
}

/** Whether a file begins as one of SQLite does. Opening any other makes SQLite remove what lies beside it. */
export async function isDatabaseFile(path: string): Promise<boolean> {
  const handle = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, 0);
    return bytesRead === MAGIC.length && buffer.toString('latin1') === MAGIC;
  } finally {
    await handle.close();
  }
}

/** Removes a database file and what SQLite keeps beside it. */
export async function removeDatabase(path: string): Promise<void> {
  for (const companion of ['', ...COMPANIONS]) {
    await rm(path + companion, { force: true });
  }
}

async function moveIfPresent(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) {
      throw error;
    }
  }
}
