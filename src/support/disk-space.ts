import { statfs } from 'node:fs/promises';
import { AppError, isErrno } from './errors.ts';

const MIB = 1024 * 1024;
/** ENOSPC and EDQUOT of the system, and what SQLite says instead. */
const CODES = ['ENOSPC', 'EDQUOT', 'SQLITE_FULL'] as const;
const MAX_CAUSES = 8;

/** A folder, and what it is called in the configuration. */
export interface WatchedFolder {
  readonly name: string;
  readonly path: string;
}

export interface FolderSpace extends WatchedFolder {
  /** Bytes that the server may still write. */
  readonly free: number;
}

/** Which of the codes of a full disk an error, or one behind it, has. */
function fullCode(error: unknown): (typeof CODES)[number] | undefined {
  let at = error;
  for (let depth = 0; depth < MAX_CAUSES && typeof at === 'object' && at !== null; depth += 1) {
    const found = CODES.find((code) => isErrno(at, code));
    if (found !== undefined) {
      return found;
    }
    at = 'cause' in at ? at.cause : undefined;
  }
  return undefined;
}

/** What is said of an error that comes from a full disk; undefined for any other. */
export function diskFullError(
  error: unknown,
  writing?: { readonly what: string; readonly where: string },
): AppError | undefined {
  const code = fullCode(error);
  if (code === undefined) {
    return undefined;
  }
  const isDatabase = code === 'SQLITE_FULL';
  const what = writing?.what ?? 'what was asked for';
  const where = isDatabase ? 'the database' : (writing?.where ?? 'the folders of the server');
  const full = code === 'EDQUOT' ? 'The quota is used up' : 'The disk is full';
  return new AppError(
    'disk-full',
    `${full}: ${what} could not be written to ${where}. Nothing of it was kept; try again when there is room.`,
    { cause: error, details: { what, where } },
  );
}

/** Runs work that writes. Throws `disk-full`, naming what was to be written where, in place of what the system says. */
export async function sayingDiskFull<T>(
  writing: { readonly what: string; readonly where: string },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw diskFullError(error, writing) ?? error;
  }
}

/** How much room there is where a server writes, and how much of it is kept for what must always work. */
export class DiskSpace {
  readonly #folders: readonly WatchedFolder[];
  readonly #keepFree: number;

  constructor(folders: readonly WatchedFolder[], keepFreeBytes: number) {
    this.#folders = folders;
    this.#keepFree = keepFreeBytes;
  }

  get keepFreeBytes(): number {
    return this.#keepFree;
  }

  /** The folder with the least room. */
  async scarcest(): Promise<FolderSpace | undefined> {
    let found: FolderSpace | undefined;
    for (const folder of this.#folders) {
      const { bavail, bsize } = await statfs(folder.path);
      const free = bavail * bsize;
      if (found === undefined || free < found.free) {
        found = { ...folder, free };
      }
    }
    return found;
  }

  /** Throws `disk-space-low` when so many bytes more would leave less than what has to stay free. */
  async requireRoom(bytes: number): Promise<void> {
    const scarcest = this.#keepFree === 0 ? undefined : await this.scarcest();
    if (scarcest !== undefined && scarcest.free - bytes < this.#keepFree) {
      const { name, free } = scarcest;
      throw new AppError(
        'disk-space-low',
        `An upload of ${inMib(bytes)} was refused: ${inMib(free)} are free in ${name}, and ${inMib(this.#keepFree)} have to stay free for the database, publications and rollbacks.`,
        { details: { folder: name, free, keepFree: this.#keepFree, bytes } },
      );
    }
  }
}

export function inMib(bytes: number): string {
  return `${(bytes / MIB).toFixed(bytes < 10 * MIB ? 1 : 0)} MiB`;
}
