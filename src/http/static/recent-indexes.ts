import { type BigIntStats, statSync } from 'node:fs';
import type { Validators } from './conditions.ts';
import type { FileHeaders } from './file-headers.ts';
import { readSpan } from './send-file.ts';
import { entityTagOf, type ServedFile } from './served-tree.ts';

/** An index that was read not long ago, and is still what its path leads to. */
export interface RecentIndex extends Validators {
  readonly bytes: Buffer;
  /** Those that depend on the file alone. */
  readonly headers: FileHeaders;
}

interface Kept {
  readonly index: RecentIndex;
  readonly path: string;
  readonly stats: BigIntStats;
  /** Looked at in this turn of the event loop. */
  isFresh: boolean;
}

/** The bytes of all that is kept, and of one file. */
export interface RecentLimits {
  readonly totalBytes: number;
  readonly fileBytes: number;
}

const LIMITS: RecentLimits = { totalBytes: 64 * 1024 * 1024, fileBytes: 16 * 1024 * 1024 };

/**
 * The indexes that clients ask for again and again, in memory, by request target. One look at the path, which follows
 * the link of the channel, tells whether it still leads to that file in that state; then nothing is opened, and all
 * who download it share its bytes. That look costs some microseconds, less than handing it to another thread, and
 * holds for all requests that are answered in the same turn of the event loop.
 */
export class RecentIndexes {
  readonly #limits: RecentLimits;
  readonly #kept = new Map<string, Kept>();
  readonly #reading = new Map<string, Promise<Buffer | undefined>>();
  #bytes = 0;

  constructor(limits = LIMITS) {
    this.#limits = limits;
  }

  mayKeep(size: number): boolean {
    return size <= this.#limits.fileBytes;
  }

  recall(target: string): RecentIndex | undefined {
    const kept = this.#kept.get(target);
    if (kept === undefined) {
      return undefined;
    }
    if (kept.isFresh || isUnchanged(kept)) {
      return kept.index;
    }
    this.#forget(target);
    return undefined;
  }

  /** The bytes of an open index, read once for all who ask meanwhile; undefined when it has become shorter. */
  async read(file: ServedFile): Promise<Buffer | undefined> {
    const underway = this.#reading.get(file.etag);
    if (underway !== undefined) {
      return await underway;
    }
    const reading = readSpan(file.handle, { first: 0, last: file.size - 1 });
    this.#reading.set(file.etag, reading);
    try {
      return await reading;
    } finally {
      this.#reading.delete(file.etag);
    }
  }

  /** Keeps a file that was read from this path, if the path still leads to it. */
  keep(target: string, path: string, index: RecentIndex): void {
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (stats === undefined || entityTagOf(stats) !== index.etag) {
      return;
    }
    this.#forget(target);
    this.#kept.set(target, { index, path, stats, isFresh: false });
    this.#bytes += index.bytes.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#limits.totalBytes) {
        break;
      }
      this.#forget(oldest);
    }
  }

  #forget(target: string): void {
    const kept = this.#kept.get(target);
    if (kept !== undefined) {
      this.#kept.delete(target);
      this.#bytes -= kept.index.bytes.length;
    }
  }
}

function isUnchanged(kept: Kept): boolean {
  const now = statSync(kept.path, { bigint: true, throwIfNoEntry: false });
  if (now === undefined || !isSame(now, kept.stats)) {
    return false;
  }
  kept.isFresh = true;
  setImmediate(() => {
    kept.isFresh = false;
  });
  return true;
}

function isSame(a: BigIntStats, b: BigIntStats): boolean {
  return (
    a.ino === b.ino &&
    a.dev === b.dev &&
    a.size === b.size &&
    a.mtimeNs === b.mtimeNs &&
    a.ctimeNs === b.ctimeNs
  );
}
