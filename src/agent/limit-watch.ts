import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildLimits, describeBreach } from '../gentoo/build-limits.ts';
import { sleep } from '../support/clock.ts';
import { AppError, isErrno } from '../support/errors.ts';

const LOOK_EVERY_MS = 500;
/** Walking through a build tree takes time, so it is done for a small part of it. */
const DISK_EVERY_MS = 10_000;
const DISK_SHARE = 20;
/** A job that waits says so this often, so that the server does not take it for one that hangs. */
const WORD_EVERY_MS = 600_000;
const BLOCK_BYTES = 512;
const GONE = ['ENOENT', 'ENOTDIR', 'EACCES'];

/** What a build has taken so far. */
export interface Measured {
  readonly silenceMs: number;
  readonly logBytes: number;
  readonly diskBytes: number;
}

/**
 * Watches what one job takes. Time is that of a clock that nobody can set.
 */
export class LimitWatch {
  readonly #limits: BuildLimits;
  readonly #log: { readonly size: number; readonly note: (line: string) => void };
  readonly #folders = new Set<string>();
  #runMs = 0;
  #silenceMs = 0;
  #longestSilenceMs = 0;
  #logBytes = 0;
  #diskBytes = 0;
  #pauses = 0;

  constructor(options: {
    readonly limits: BuildLimits;
    readonly log: { readonly size: number; readonly note: (line: string) => void };
    readonly folder: string;
  }) {
    this.#limits = options.limits;
    this.#log = options.log;
    this.#folders.add(options.folder);
  }

  get measured(): Measured {
    return {
      silenceMs: Math.round(this.#longestSilenceMs),
      logBytes: this.#log.size,
      diskBytes: this.#diskBytes,
    };
  }

  /** Another folder that belongs to the job. */
  addFolder(path: string): void {
    this.#folders.add(path);
  }

  /** While this runs, time does not count: the job waits for something that it is not to blame for. */
  async paused<T>(work: () => Promise<T>): Promise<T> {
    this.#pauses += 1;
    try {
      return await work();
    } finally {
      this.#pauses -= 1;
    }
  }

  /** Looks until the signal aborts. Throws `limit-exceeded`, naming the limit, its value and what was measured. */
  async follow(ended: AbortSignal): Promise<void> {
    let before = performance.now();
    let diskDueMs = 0;
    let sinceWordMs = 0;
    while (!ended.aborted) {
      await sleep(LOOK_EVERY_MS, ended);
      const now = performance.now();
      const passed = now - before;
      before = now;
      this.#look(passed);
      sinceWordMs = this.#pauses > 0 ? sinceWordMs + passed : 0;
      if (sinceWordMs >= WORD_EVERY_MS) {
        this.#log.note('This job still waits.');
        sinceWordMs = 0;
      }
      diskDueMs -= passed;
      if (diskDueMs <= 0 && !ended.aborted) {
        diskDueMs = await this.#lookAtDisk();
      }
    }
  }

  /** How much of the disk it has at the end. */
  async finish(): Promise<void> {
    await this.#lookAtDisk();
  }

  #look(passed: number): void {
    const { size } = this.#log;
    this.#silenceMs = size > this.#logBytes || this.#pauses > 0 ? 0 : this.#silenceMs + passed;
    this.#logBytes = size;
    this.#runMs += this.#pauses > 0 ? 0 : passed;
    this.#longestSilenceMs = Math.max(this.#longestSilenceMs, this.#silenceMs);
    this.#check('silenceMs', this.#silenceMs);
    this.#check('runMs', this.#runMs);
    this.#check('logBytes', size);
  }

  /** Returns how long it can wait until the next time. */
  async #lookAtDisk(): Promise<number> {
    const begun = performance.now();
    let bytes = 0;
    for (const folder of this.#folders) {
      bytes += await spaceBelow(folder);
    }
    this.#diskBytes = Math.max(this.#diskBytes, bytes);
    this.#check('diskBytes', bytes);
    return Math.max(DISK_EVERY_MS, (performance.now() - begun) * DISK_SHARE);
  }

  #check(limit: keyof BuildLimits, measured: number): void {
    const allowed = this.#limits[limit];
    if (measured > allowed) {
      throw new AppError('limit-exceeded', describeBreach(limit, { measured, allowed }), {
        details: { limit, measured, allowed },
      });
    }
  }
}

/** Bytes on disk of everything in a folder; what goes away meanwhile does not count. */
export async function spaceBelow(folder: string): Promise<number> {
  let bytes = 0;
  const open = [folder];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const place = path;
    await unlessGone(async () => {
      for await (const entry of await opendir(place)) {
        const inner = join(place, entry.name);
        if (entry.isDirectory()) {
          open.push(inner);
        } else {
          await unlessGone(async () => {
            const { blocks, nlink } = await lstat(inner);
            bytes += (blocks * BLOCK_BYTES) / Math.max(1, nlink);
          });
        }
      }
    });
  }
  return Math.round(bytes);
}

async function unlessGone(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!GONE.some((code) => isErrno(error, code))) {
      throw error;
    }
  }
}
