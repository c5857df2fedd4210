import { createWriteStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { DiskSpace } from '../support/disk-space.ts';
import { AppError, isErrno } from '../support/errors.ts';
import { ensureInside, namesIn } from '../support/files.ts';
import { newId } from '../support/ids.ts';
import type { Locks } from '../support/locks.ts';

const MIB = 1024 * 1024;
/** What one object file of a build with debug information can come to. */
export const MAX_ENTRY_BYTES = 256 * MIB;
/** What is still there of the limit after a clean-up, so that not every entry starts one. */
const KEPT_OF_LIMIT = 0.9;
/** ccache's layout `subdirs`: two characters of the key, a slash, the rest. */
const KEY = /^([0-9a-z]{2})\/([0-9a-z]{10,126})$/;
const UNFINISHED = /^\.ccache-/;

export interface CacheEntry {
  readonly stream: Readable;
  readonly size: number;
}

interface CacheFile {
  readonly path: string;
  readonly size: number;
  readonly usedAt: number;
}

/**
 * What the compilers of builders have made, by profile and key, for their ccache. Every entry is a file below
 * `<folder>/<profile>`; when it was last used is its time. An entry is whole or not there; losing one loses nothing.
 */
export class CompilerCache {
  readonly #folder: string;
  readonly #locks: Locks;
  readonly #space: Pick<DiskSpace, 'requireRoom'>;
  /** Bytes by profile, once they were counted. */
  readonly #sizes = new Map<string, number>();

  constructor(options: {
    readonly folder: string;
    readonly locks: Locks;
    readonly space: Pick<DiskSpace, 'requireRoom'>;
  }) {
    this.#folder = options.folder;
    this.#locks = options.locks;
    this.#space = options.space;
  }

  /** Undefined when there is no such entry. Throws `ccache-key-invalid`. */
  async open(profile: string, key: string): Promise<CacheEntry | undefined> {
    const path = this.#pathOf(profile, key);
    try {
      const handle = await fs.open(path, 'r');
      const { size } = await handle.stat();
      const now = new Date();
      await handle.utimes(now, now);
      return { stream: handle.createReadStream(), size };
    } catch (error) {
      if (isErrno(error, 'ENOENT')) {
        return undefined;
      }
      throw error;
    }
  }

  /**
   * Keeps an entry, in place of one that is there. When the profile has more than `maxBytes` then, what was not used
   * for longest goes. Throws `ccache-key-invalid`, `ccache-entry-too-large`, `disk-space-low`.
   */
  async put(
    profile: string,
    key: string,
    entry: { readonly stream: Readable; readonly size?: number; readonly maxBytes: number },
  ): Promise<void> {
    const path = this.#pathOf(profile, key);
    const most = Math.min(MAX_ENTRY_BYTES, entry.maxBytes);
    if ((entry.size ?? 0) > most) {
      throw tooLarge(most);
    }
    await this.#space.requireRoom(entry.size ?? most);
    const unfinished = join(this.#folder, profile, `.${newId('ccache')}`);
    await fs.mkdir(join(path, '..'), { recursive: true });
    try {
      await pipeline(entry.stream, bounded(most), createWriteStream(unfinished, { flags: 'wx' }));
      const { size } = await fs.stat(unfinished);
      await this.#locks.run(`ccache:${profile}`, async () => {
        const total = await this.#sizeOf(profile);
        const before = await sizeAt(path);
        await fs.rename(unfinished, path);
        this.#sizes.set(profile, total + size - before);
        if (total + size - before > entry.maxBytes) {
          await this.#removeOldest(profile, entry.maxBytes);
        }
      });
    } finally {
      await fs.rm(unfinished, { force: true });
    }
  }

  /** Whether there was one. Throws `ccache-key-invalid`. */
  async remove(profile: string, key: string): Promise<boolean> {
    const path = this.#pathOf(profile, key);
    return await this.#locks.run(`ccache:${profile}`, async () => {
      const size = await sizeAt(path);
      try {
        await fs.rm(path);
      } catch (error) {
        if (isErrno(error, 'ENOENT')) {
          return false;
        }
        throw error;
      }
      const total = this.#sizes.get(profile);
      if (total !== undefined) {
        this.#sizes.set(profile, total - size);
      }
      return true;
    });
  }

  /**
   * Removes what uploads that broke off have left, the entries that are beyond the limit of their profile, and those of
   * profiles that have no limit here, which have no cache any more. Returns how many bytes went.
   */
  async cleanUp(limits: ReadonlyMap<string, number>): Promise<number> {
    let freed = 0;
    for (const profile of await namesIn(this.#folder)) {
      const limit = limits.get(profile);
      freed += await this.#locks.run(`ccache:${profile}`, async () => {
        await this.#removeUnfinished(profile);
        this.#sizes.delete(profile);
        const before = await this.#sizeOf(profile);
        if (limit === undefined) {
          await fs.rm(join(this.#folder, profile), { recursive: true, force: true });
          this.#sizes.delete(profile);
          return before;
        }
        return before > limit ? await this.#removeOldest(profile, limit) : 0;
      });
    }
    return freed;
  }

  #pathOf(profile: string, key: string): string {
    const [, bucket, rest] = KEY.exec(key) ?? [];
    if (bucket === undefined || rest === undefined) {
      throw new AppError(
        'ccache-key-invalid',
        `"${key.slice(0, 200)}" is no key of ccache's layout "subdirs", such as "0a/b1c2d3e4f5g6".`,
      );
    }
    return ensureInside(this.#folder, profile, bucket, rest);
  }

  async #sizeOf(profile: string): Promise<number> {
    const known = this.#sizes.get(profile);
    if (known !== undefined) {
      return known;
    }
    const files = await this.#filesOf(profile);
    const size = files.reduce((sum, file) => sum + file.size, 0);
    this.#sizes.set(profile, size);
    return size;
  }

  async #filesOf(profile: string): Promise<CacheFile[]> {
    const files: CacheFile[] = [];
    const folder = join(this.#folder, profile);
    for (const bucket of await namesIn(folder)) {
      if (UNFINISHED.test(bucket)) {
        continue;
      }
      for (const name of await namesIn(join(folder, bucket))) {
        const path = join(folder, bucket, name);
        const file = await statIfPresent(path);
        if (file !== undefined) {
          files.push({ path, size: file.size, usedAt: file.mtimeMs });
        }
      }
    }
    return files;
  }

  async #removeOldest(profile: string, limit: number): Promise<number> {
    const files = await this.#filesOf(profile);
    const before = files.reduce((sum, { size }) => sum + size, 0);
    let total = before;
    for (const { path, size } of files.toSorted((one, other) => one.usedAt - other.usedAt)) {
      if (total <= limit * KEPT_OF_LIMIT) {
        break;
      }
      await fs.rm(path, { force: true });
      total -= size;
    }
    this.#sizes.set(profile, total);
    return before - total;
  }

  async #removeUnfinished(profile: string): Promise<void> {
    const dayAgo = Date.now() - 86_400_000;
    for (const name of await namesIn(join(this.#folder, profile))) {
      const path = join(this.#folder, profile, name);
      if (UNFINISHED.test(name) && (await fs.stat(path)).mtimeMs < dayAgo) {
        await fs.rm(path, { force: true });
      }
    }
  }
}

/** Another server may remove entries too. */
async function statIfPresent(
  path: string,
): Promise<{ readonly size: number; readonly mtimeMs: number } | undefined> {
  try {
    return await fs.stat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return undefined;
    }
    throw error;
  }
}

async function sizeAt(path: string): Promise<number> {
  return (await statIfPresent(path))?.size ?? 0;
}

function bounded(most: number) {
  return async function* limit(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let size = 0;
    for await (const piece of pieces) {
      size += piece.byteLength;
      if (size > most) {
        throw tooLarge(most);
      }
      yield piece;
    }
  };
}

function tooLarge(most: number): AppError {
  return new AppError(
    'ccache-entry-too-large',
    `An entry of the shared ccache may have at most ${most} bytes.`,
    { details: { maxBytes: most } },
  );
}
