import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { AppError, isErrno } from './errors.ts';
import { newId } from './ids.ts';

/**
 * Joins untrusted segments below a root.
 *
 * Throws `path-outside-root` when the result is not below the root, or a NUL is in it.
 */
export function ensureInside(root: string, ...segments: readonly string[]): string {
  const base = resolve(root);
  const path = resolve(base, ...segments.map((segment) => `./${segment}`));
  const inside = path === base || path.startsWith(base === sep ? base : base + sep);
  if (!inside || segments.some((segment) => segment.includes('\0'))) {
    throw new AppError(
      'path-outside-root',
      `The path ${segments.join('/')} leads outside its root.`,
      {
        details: { path: segments.join('/') },
      },
    );
  }
  return path;
}

/** Makes names in a folder durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await fs.open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a file's bytes durable. */
export async function syncFile(path: string): Promise<void> {
  const handle = await fs.open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes all of the bytes, where the file is: a single write of the system may take less, as when the disk gets full. */
export async function writeAll(handle: fs.FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await handle.write(bytes, done);
    done += bytesWritten;
  }
}

/** Writes under a temporary name in the same folder, syncs, renames: readers see the old file or the new one. */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  options: { readonly mode?: number; readonly mtimeSeconds?: number } = {},
): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${newId('tmp')}`);
  try {
    const handle = await fs.open(temporary, 'wx', options.mode ?? 0o644);
    try {
      await handle.writeFile(data);
      if (options.mtimeSeconds !== undefined) {
        await handle.utimes(options.mtimeSeconds, options.mtimeSeconds);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(temporary, path);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(folder);
}

/** Points a symbolic link at a target with one rename, whether it existed before or not. */
export async function replaceSymlink(target: string, path: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${newId('tmp')}`);
  await fs.symlink(target, temporary);
  try {
    await fs.rename(temporary, path);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** The target of a symbolic link, or undefined when nothing is there. */
export async function readSymlink(path: string): Promise<string | undefined> {
  try {
    return await fs.readlink(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return undefined;
    }
    throw error;
  }
}

/** The names in a folder, sorted; none when it does not exist. */
export async function namesIn(path: string): Promise<string[]> {
  try {
    return (await fs.readdir(path)).toSorted();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return [];
    }
    throw error;
  }
}

/** How `writeFileAtomic` and `replaceSymlink` name what they have not renamed yet. */
const UNFINISHED = /^\..+\.tmp-[0-9a-z]{16}$/;

/** Removes from a folder what a killed process did not finish. Nobody may be writing there now. */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const name of (await namesIn(folder)).filter((one) => UNFINISHED.test(one))) {
    await fs.rm(join(folder, name), { force: true });
  }
}

/** UTF-8 text of a file, or undefined when it does not exist. */
export async function readTextIfPresent(path: string): Promise<string | undefined> {
  try {
    return await fs.readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return undefined;
    }
    throw error;
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await fs.lstat(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) {
      return false;
    }
    throw error;
  }
}

/** A folder of its own below `parent`, gone afterwards whatever happens. */
export async function withTemporaryFolder<T>(
  parent: string,
  work: (path: string) => Promise<T>,
): Promise<T> {
  await fs.mkdir(parent, { recursive: true });
  const path = await fs.mkdtemp(join(parent, 'tmp-'));
  try {
    return await work(path);
  } finally {
    await fs.rm(path, { recursive: true, force: true });
  }
}
