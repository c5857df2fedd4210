import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { isErrno } from '../support/errors.ts';

export interface TextTree {
  /** Path below the root, `/` between names, sorted -> text. */
  readonly files: ReadonlyMap<string, string>;
  readonly faults: readonly string[];
}

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_TREE_BYTES = 32 * 1024 * 1024;
const MAX_FILES = 10_000;
const MAX_DEPTH = 16;

interface Walk {
  readonly root: string;
  readonly label: string;
  /** Real path that symbolic links may not leave. */
  readonly boundary: string;
  readonly files: Map<string, string>;
  readonly faults: string[];
  bytes: number;
}

/**
 * Every text file below a folder. Names that begin with `.` or end in `~` are passed over, as Portage does. What is
 * no text in UTF-8, too large, not readable, no regular file, or a link that leads out of the boundary becomes a fault
 * that begins with the label and the path.
 */
export async function readTextTree(
  root: string,
  options: { readonly label: string; readonly boundary: string },
): Promise<TextTree> {
  const walk: Walk = { root, ...options, files: new Map(), faults: [], bytes: 0 };
  try {
    if (isOutside(await realpath(root), walk)) {
      walk.faults.push(`${walk.label} is a link that leads out of the profiles.`);
    } else {
      await readFolder(walk, '', 0);
    }
  } catch (error) {
    walk.faults.push(`${walk.label} cannot be read (${codeOf(error)}).`);
  }
  return { files: walk.files, faults: walk.faults };
}

async function readFolder(walk: Walk, path: string, depth: number): Promise<void> {
  if (depth > MAX_DEPTH) {
    walk.faults.push(`${walk.label}/${path}: folders are nested more than ${MAX_DEPTH} deep.`);
    return;
  }
  const names = await readdir(join(walk.root, path));
  for (const name of names.toSorted()) {
    if (name.startsWith('.') || name.endsWith('~')) {
      continue;
    }
    const below = path === '' ? name : `${path}/${name}`;
    try {
      await readEntry(walk, below, depth);
    } catch (error) {
      walk.faults.push(`${walk.label}/${below} cannot be read (${codeOf(error)}).`);
    }
    if (walk.files.size > MAX_FILES || walk.bytes > MAX_TREE_BYTES) {
      walk.faults.push(
        `${walk.label}: more than ${MAX_FILES} files or ${MAX_TREE_BYTES} bytes are in it.`,
      );
      return;
    }
  }
}

async function readEntry(walk: Walk, path: string, depth: number): Promise<void> {
  const real = await realpath(join(walk.root, path));
  if (isOutside(real, walk)) {
    walk.faults.push(`${walk.label}/${path} is a link that leads out of the profiles.`);
    return;
  }
  const found = await stat(real);
  if (found.isDirectory()) {
    await readFolder(walk, path, depth + 1);
  } else if (found.isFile() && found.size > MAX_FILE_BYTES) {
    walk.faults.push(`${walk.label}/${path} is larger than ${MAX_FILE_BYTES} bytes.`);
  } else if (found.isFile()) {
    addText(walk, path, await readFile(real));
  } else {
    walk.faults.push(`${walk.label}/${path} is neither a file nor a folder.`);
  }
}

function isOutside(real: string, { boundary }: Walk): boolean {
  return real !== boundary && !real.startsWith(boundary + sep);
}

function addText(walk: Walk, path: string, bytes: Uint8Array): void {
  const text = decode(bytes);
  if (text === undefined) {
    walk.faults.push(`${walk.label}/${path} is not a text in UTF-8.`);
    return;
  }
  walk.bytes += bytes.length;
  walk.files.set(path, text);
}

function decode(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) {
    return undefined;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (isErrno(error, 'ERR_ENCODING_INVALID_ENCODED_DATA')) {
      return undefined;
    }
    throw error;
  }
}

function codeOf(error: unknown): string {
  const code: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : 'unknown error';
}
