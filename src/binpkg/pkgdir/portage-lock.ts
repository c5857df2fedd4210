import * as fs from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { sleep } from '../../support/clock.ts';
import { AppError, isErrno } from '../../support/errors.ts';

export interface PortageLock {
  /** Lets go and removes the lock file, as Portage does. */
  release(): Promise<void>;
}

export interface LockOptions {
  /** Called once when somebody else holds the lock. */
  readonly onWait?: ((lockFile: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const POLL_MS = 100;

/**
 * Takes the lock that Portage holds while it changes a file: `.<name>.portage_lockfile` beside it
 * (`portage/locks.py:lockfile` with `wantnewlockfile`). Waits for as long as it takes.
 *
 * Portage locks with fcntl records (`fcntl.lockf`), which flock(1) and flock(2) do not see and Node has no call for.
 * SQLite locks in this way: a transaction that is exclusive holds a record of the file, and Portage asks for
 * all of the file. Nothing is written to it. The record vanishes with the process.
 *
 * Throws `lock-aborted`, and the system's error when the lock file cannot be made.
 */
export async function lockAsPortage(path: string, options: LockOptions = {}): Promise<PortageLock> {
  const lockFile = join(dirname(path), `.${basename(path)}.portage_lockfile`);
  for (let waited = false; options.signal?.aborted !== true; ) {
    await create(lockFile);
    const database = new Database(lockFile, { timeout: 0 });
    if (takeRecord(database)) {
      if (await isOpenHere(lockFile)) {
        return { release: async () => await release(database, lockFile) };
      }
      database.close();
      continue;
    }
    database.close();
    if (!waited) {
      waited = true;
      options.onWait?.(lockFile);
    }
    await sleep(POLL_MS, options.signal);
  }
  throw new AppError('lock-aborted', `Waiting for ${lockFile} was stopped.`);
}

/** With the permissions of Portage, so that its other users can lock too. */
async function create(lockFile: string): Promise<void> {
  try {
    const handle = await fs.open(lockFile, 'wx', 0o660);
    try {
      await handle.chmod(0o660);
      const { gid } = await fs.stat(dirname(lockFile));
      await handle.chown(-1, gid).catch((error: unknown) => {
        if (!isErrno(error, 'EPERM')) {
          throw error;
        }
      });
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) {
      throw error;
    }
  }
}

function takeRecord(database: Database.Database): boolean {
  try {
    database.pragma('journal_mode = MEMORY');
    database.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (isErrno(error, 'SQLITE_BUSY')) {
      return false;
    }
    database.close();
    throw error;
  }
}

/** Whether the file of this name is the one that was locked, and not a new one after its holder removed it. */
async function isOpenHere(lockFile: string): Promise<boolean> {
  const named = await statIfThere(lockFile);
  for (const descriptor of await fs.readdir('/proc/self/fd')) {
    const open = await statIfThere(`/proc/self/fd/${descriptor}`);
    if (named !== undefined && open?.ino === named.ino && open.dev === named.dev) {
      return true;
    }
  }
  return false;
}

async function statIfThere(
  path: string,
): Promise<{ readonly ino: number; readonly dev: number } | undefined> {
  try {
    return await fs.stat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return undefined;
    }
    throw error;
  }
}

async function release(database: Database.Database, lockFile: string): Promise<void> {
  await fs.rm(lockFile, { force: true });
  database.exec('ROLLBACK');
  database.close();
}
