import { lstatSync, type Stats } from 'node:fs';
import { isErrno } from '../../support/errors.ts';

/** What a file is known to have been when it was signed. */
export interface KnownFile {
  readonly size: number;
  readonly mtimeSeconds: number;
}

/** Files as text, one a line, which costs less to hand to a thread than objects do: size, time and path. */
export function formatFiles(files: readonly (KnownFile & { readonly path: string })[]): string {
  return files.map(({ size, mtimeSeconds, path }) => `${size} ${mtimeSeconds} ${path}`).join('\n');
}

/** Positions of the files of such a text, below a folder, that are not as known, or cannot be looked at. */
export function oddFiles(folder: string, text: string): number[] {
  const odd: number[] = [];
  for (const [at, line] of (text === '' ? [] : text.split('\n')).entries()) {
    const [size = '', mtimeSeconds = ''] = line.split(' ', 2);
    const path = line.slice(size.length + mtimeSeconds.length + 2);
    const known = { size: Number(size), mtimeSeconds: Number(mtimeSeconds) };
    if (!isFine(`${folder}/${path}`, known)) {
      odd.push(at);
    }
  }
  return odd;
}

function isFine(path: string, known: KnownFile): boolean {
  try {
    return isAsKnown(lookAt(path), known);
  } catch {
    // Who asked looks again, and meets the same.
    return false;
  }
}

/** Undefined when there is nothing of this name, links not followed. */
export function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (isErrno(error, 'ENOTDIR')) {
      return undefined;
    }
    throw error;
  }
}

/** Whether it is a file of the size and time that are known of it. */
export function isAsKnown(found: Stats | undefined, { size, mtimeSeconds }: KnownFile): boolean {
  return (
    found?.isFile() === true &&
    found.size === size &&
    Math.floor(found.mtimeMs / 1000) === mtimeSeconds
  );
}
