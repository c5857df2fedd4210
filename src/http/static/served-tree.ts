import { type BigIntStats, constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { sep } from 'node:path';
import { isErrno } from '../../support/errors.ts';
import { ensureInside } from '../../support/files.ts';
import type { Validators } from './conditions.ts';

export interface ServedFile extends Validators {
  readonly handle: fs.FileHandle;
  /** Where it was found, links not followed. */
  readonly path: string;
  readonly size: number;
}

/** What stands at a path. A file is open, and everything known about it was read from that descriptor. */
export type Found =
  | { readonly kind: 'file'; readonly file: ServedFile }
  | { readonly kind: 'folder' }
  | { readonly kind: 'absent' };

const MIRROR_FOLDERS = ['binhost', 'keys', 'distfiles', 'repos'];
const STAGING = 'staging';
/** The only hidden folder that clients may name; other names with a dot are working files. */
const PUBLICATIONS = '.publications';
const ABSENT: Found = { kind: 'absent' };
/** Nothing can be served under such a path: no entry, a file used as a folder, a loop, an endless name, a socket. */
const ABSENT_CODES = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENXIO'];

/** Whether the first name of a path belongs to the served trees. */
export function isServedName(name: string): boolean {
  return name === STAGING || MIRROR_FOLDERS.includes(name);
}

/**
 * The files that clients may read: four folders of the mirror root and the staging trees. Symbolic links are
 * followed as long as what they lead to lies inside one of the two roots.
 */
export class ServedTree {
  readonly #mirrorRoot: string;
  readonly #staging: string;
  #realRoots: readonly string[] = [];

  constructor(folders: { readonly mirrorRoot: string; readonly staging: string }) {
    this.#mirrorRoot = folders.mirrorRoot;
    this.#staging = folders.staging;
  }

  /** Opens the regular file at a path of decoded names. The caller closes the handle. */
  async open(segments: readonly string[]): Promise<Found> {
    if (segments.some(isHidden)) {
      return ABSENT;
    }
    const path = this.#pathOf(segments);
    const handle = await openIfPresent(path);
    if (handle === undefined) {
      return ABSENT;
    }
    let isKept = false;
    try {
      const found = await this.#inspect(handle, path);
      isKept = found.kind === 'file';
      return found;
    } finally {
      if (!isKept) {
        await handle.close();
      }
    }
  }

  /** Whether a path is the name of a channel: a symbolic link to a folder. */
  async isChannel(segments: readonly string[]): Promise<boolean> {
    const [tree, profile, channel, ...rest] = segments;
    if (tree !== 'binhost' || profile === undefined || channel === undefined || rest.length > 0) {
      return false;
    }
    try {
      return (await fs.lstat(this.#pathOf(segments))).isSymbolicLink();
    } catch (error) {
      if (isErrno(error, 'ENOENT')) {
        return false;
      }
      throw error;
    }
  }

  #pathOf(segments: readonly string[]): string {
    const [tree = '', ...rest] = segments;
    return tree === STAGING
      ? ensureInside(this.#staging, ...rest)
      : ensureInside(this.#mirrorRoot, tree, ...rest);
  }

  async #inspect(handle: fs.FileHandle, path: string): Promise<Found> {
    const stats = await handle.stat({ bigint: true });
    if (!stats.isFile() && !stats.isDirectory()) {
      return ABSENT;
    }
    if (!(await this.#isInside(await realPathOf(handle, path)))) {
      return ABSENT;
    }
    if (stats.isDirectory()) {
      return { kind: 'folder' };
    }
    const file = {
      handle,
      path,
      size: Number(stats.size),
      etag: entityTagOf(stats),
      modifiedSeconds: Number(stats.mtimeNs / 1_000_000_000n),
    };
    return { kind: 'file', file };
  }

  async #isInside(path: string): Promise<boolean> {
    if (isBelowAny(this.#realRoots, path)) {
      return true;
    }
    this.#realRoots = await this.#resolveRoots();
    return isBelowAny(this.#realRoots, path);
  }

  async #resolveRoots(): Promise<string[]> {
    const roots = await Promise.all([this.#mirrorRoot, this.#staging].map(realPathIfPresent));
    return roots.filter((root) => root !== undefined);
  }
}

/** The strong entity tag of a file in this state. */
export function entityTagOf({ ino, size, mtimeNs }: BigIntStats): string {
  return `"${[ino, size, mtimeNs].map((part) => part.toString(16)).join('-')}"`;
}

function isHidden(name: string): boolean {
  return name.startsWith('.') && name !== PUBLICATIONS;
}

function isBelowAny(roots: readonly string[], path: string): boolean {
  return roots.some((root) => path === root || path.startsWith(root + sep));
}

async function openIfPresent(path: string): Promise<fs.FileHandle | undefined> {
  try {
    return await fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    if (ABSENT_CODES.some((code) => isErrno(error, code))) {
      return undefined;
    }
    throw error;
  }
}

/**
 * Where an open file really lies. Asking the descriptor leaves no moment in which a link can be switched between
 * the check and the use; without procfs the path is resolved once more.
 */
async function realPathOf(handle: fs.FileHandle, path: string): Promise<string> {
  try {
    return await fs.readlink(`/proc/self/fd/${handle.fd}`);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) {
      throw error;
    }
    return (await realPathIfPresent(path)) ?? '';
  }
}

async function realPathIfPresent(path: string): Promise<string | undefined> {
  try {
    return await fs.realpath(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return undefined;
    }
    throw error;
  }
}
