import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../support/errors.ts';

const MAX_DEPTH = 16;

/**
 * A text that changes with the files below a folder: their names, sizes, times and inodes. Passed over are the names that
 * `readTextTree` passes over.
 */
export async function printOf(folder: string): Promise<string> {
  const lines: string[] = [];
  await collect(folder, 0, lines);
  return lines.join('\n');
}

async function collect(folder: string, depth: number, lines: string[]): Promise<void> {
  const names = await readdirIfThere(folder);
  for (const name of names.filter((one) => !one.startsWith('.') && !one.endsWith('~'))) {
    const path = join(folder, name);
    const found = await statIfThere(path);
    const facts = found && [found.size, found.mtimeNs, found.ctimeNs, found.ino, found.mode];
    lines.push(`${path}\0${facts?.join(' ') ?? '-'}`);
    if (found?.isDirectory() === true && depth < MAX_DEPTH) {
      await collect(path, depth + 1, lines);
    }
  }
}

async function readdirIfThere(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch (error) {
    if (isGone(error)) {
      return [];
    }
    throw error;
  }
}

async function statIfThere(path: string) {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    if (isGone(error)) {
      return undefined;
    }
    throw error;
  }
}

/** Gone, not allowed, or a link to itself: reading the profiles says so with the file. */
function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP'].some((code) => isErrno(error, code));
}
