import { lstat } from 'node:fs/promises';
import { digestFile } from '../../support/digests.ts';
import { isErrno, messageOf } from '../../support/errors.ts';
import type { PlacedPackage } from './check-store.ts';

/** A name under which a file of the pool stands, or should stand. */
export interface FileName {
  readonly path: string;
  /** What to call it in a report. */
  readonly subject: string;
  readonly isPool: boolean;
  /** Undefined when nothing is there. */
  readonly stats?: FileStats;
}

export interface FileStats {
  readonly isFile: boolean;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly device: number;
  /** Names with the same are links to one file. */
  readonly identity: string;
}

/** Looks at a name. Links are not followed. */
export async function lookAt(name: Omit<FileName, 'stats'>): Promise<FileName> {
  try {
    const stats = await lstat(name.path);
    return {
      ...name,
      stats: {
        isFile: stats.isFile(),
        size: stats.size,
        mtimeSeconds: stats.mtimeMs / 1000,
        device: stats.dev,
        identity: `${stats.dev}:${stats.ino}`,
      },
    };
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) {
      return name;
    }
    throw error;
  }
}

/** Reads all bytes of a file. Returns what is wrong with them, a sentence, or undefined when they are the right ones. */
export async function faultOfBytes(
  path: string,
  expected: Pick<PlacedPackage, 'size' | 'md5' | 'sha1' | 'sha512'>,
  onBytes: (count: number) => void,
): Promise<string | undefined> {
  try {
    const { size, digests } = await digestFile(path, ['md5', 'sha1', 'sha512'], onBytes);
    if (size !== expected.size) {
      return `It has ${size} bytes instead of ${expected.size}.`;
    }
    if (digests.of('sha512') !== expected.sha512) {
      return `Its SHA-512 is ${digests.of('sha512').slice(0, 16)}... instead of ${expected.sha512.slice(0, 16)}...`;
    }
    return digests.of('md5') === expected.md5 && digests.of('sha1') === expected.sha1
      ? undefined
      : 'The index has another MD5 or SHA1 of it.';
  } catch (error) {
    if (isErrno(error, 'EIO')) {
      return `It cannot be read: ${messageOf(error)}.`;
    }
    throw error;
  }
}
