import type { ReadStream } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AppError, isErrno } from '../support/errors.ts';
import { ensureInside, exists, namesIn, syncDirectory, writeFileAtomic } from '../support/files.ts';
import { Locks } from '../support/locks.ts';
import { PackedLog, packedPath, packLog } from './packed-log.ts';

export interface AttemptName {
  readonly jobId: string;
  readonly attempt: number;
}

/** A log to read from, as it was when it was opened. */
interface OpenLog {
  readonly size: number;
  readonly read: (offset: number, maxBytes: number) => Promise<Buffer>;
  readonly close: () => Promise<void>;
}

type Handle = Awaited<ReturnType<typeof open>>;

const REMOVED = '.removed';
const REMOVED_LINE = Buffer.from(
  '*** rookery: this log has been removed, its request ended too long ago. See log-days in the configuration.\n',
);

/**
 * The logs of all attempts, each a file of its own: `<folder>/<job>/<attempt>.log`. A log grows at its end only,
 * and to `maxBytes` at most; one that was cut there says so in its last line. Once its attempt has ended it is packed:
 * `<attempt>.log.zst` takes its place, and nothing is added any more. An empty file `<folder>/<job>.removed` stands
 * for the logs of a job that have been removed.
 */
export class BuildLogs {
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #locks: Locks;
  /**
   * For appending, within this process: whatever servers write to a log at once, its agent has sent, and it sends the same
   * bytes for the same place.
   */
  readonly #appending = new Locks();
  readonly #followers = new Map<string, Set<() => void>>();
  /** Followed jobs whose logs are those of another job -> that one. */
  readonly #builtAs = new Map<string, string>();

  constructor(options: {
    readonly folder: string;
    readonly maxBytes: number;
    readonly locks: Locks;
  }) {
    this.#folder = options.folder;
    this.#maxBytes = options.maxBytes;
    this.#locks = options.locks;
  }

  /**
   * Writes what the log does not have yet of `bytes`, which begin at `offset`, and returns the log's size. Bytes that
   * it has are passed over, so that a call can be repeated when its answer was lost.
   *
   * Throws `log-gap` when `offset` is beyond the end (`details.size`), `log-too-large` once the log is full,
   * `stale-attempt` once it is packed.
   */
  async append(name: AttemptName, offset: number, bytes: Uint8Array): Promise<number> {
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new AppError(
        'invalid-offset',
        `The log offset ${offset} is not a whole number of bytes.`,
      );
    }
    const path = this.#path(name);
    const grown = await this.#appending.run(
      path,
      async () => await this.#grow(path, offset, bytes),
    );
    if (grown.hasGrown) {
      this.notify(name.jobId);
    }
    if (grown.isFull) {
      throw new AppError(
        'log-too-large',
        `The log has reached its ${this.#maxBytes} bytes and is cut there.`,
        {
          details: { size: grown.size, maxBytes: this.#maxBytes },
        },
      );
    }
    return grown.size;
  }

  async #grow(
    path: string,
    offset: number,
    bytes: Uint8Array,
  ): Promise<{ readonly size: number; readonly hasGrown: boolean; readonly isFull: boolean }> {
    const handle = await this.#openForWriting(path);
    try {
      const { size } = await handle.stat();
      if (size > this.#maxBytes) {
        return { size, hasGrown: false, isFull: offset + bytes.byteLength > this.#maxBytes };
      }
      if (offset > size) {
        throw new AppError(
          'log-gap',
          `The log has ${size} bytes; a part that begins at ${offset} would leave a gap.`,
          { details: { size } },
        );
      }
      const fresh = bytes.subarray(Math.min(size - offset, bytes.byteLength));
      if (fresh.byteLength === 0) {
        return { size, hasGrown: false, isFull: false };
      }
      const room = this.#maxBytes - size;
      const isFull = fresh.byteLength > room;
      const added = isFull ? Buffer.concat([fresh.subarray(0, room), this.#lastLine()]) : fresh;
      const { bytesWritten } = await handle.write(added, 0, added.byteLength, size);
      await handle.datasync();
      return { size: size + bytesWritten, hasGrown: true, isFull };
    } finally {
      await handle.close();
    }
  }

  #lastLine(): Buffer {
    return Buffer.from(
      `\n*** rookery: this log is cut here; it has reached the limit of ${this.#maxBytes} bytes.\n`,
    );
  }

  async #openForWriting(path: string): ReturnType<typeof open> {
    try {
      return await open(path, 'r+');
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) {
        throw error;
      }
    }
    if (await exists(packedPath(path))) {
      throw new AppError('stale-attempt', 'The attempt has ended, and its log with it.');
    }
    await mkdir(dirname(path), { recursive: true });
    const handle = await open(path, 'a+');
    await handle.close();
    await syncDirectory(dirname(path));
    await syncDirectory(this.#folder);
    return await open(path, 'r+');
  }

  /** Bytes from `offset` on; none when there are none, or no log. Throws `log-damaged`. */
  async read(
    name: AttemptName,
    { offset, maxBytes }: { readonly offset: number; readonly maxBytes: number },
  ): Promise<{ readonly bytes: Buffer; readonly isEnd: boolean; readonly size: number }> {
    const log = await this.#open(name);
    if (log === undefined) {
      const text = (await exists(this.#marker(name.jobId))) ? REMOVED_LINE : Buffer.alloc(0);
      const bytes = text.subarray(offset, offset + maxBytes);
      return { bytes, isEnd: offset + bytes.length >= text.length, size: text.length };
    }
    try {
      const bytes = await log.read(offset, maxBytes);
      return { bytes, isEnd: offset + bytes.length >= log.size, size: log.size };
    } finally {
      await log.close();
    }
  }

  /** How many bytes the log has; undefined when there is none. Throws `log-damaged`. */
  async size(name: AttemptName): Promise<number | undefined> {
    const log = await this.#open(name);
    await log?.close();
    return log?.size;
  }

  /** The packed form as it is on the disk; undefined while it is not packed. */
  async openPacked(
    name: AttemptName,
  ): Promise<{ readonly stream: ReadStream; readonly size: number } | undefined> {
    const handle = await opened(packedPath(this.#path(name)));
    return handle && { stream: handle.createReadStream(), size: (await handle.stat()).size };
  }

  /** Packs a log that will not grow any more. Doing it again changes nothing. */
  async pack(name: AttemptName): Promise<void> {
    const path = this.#path(name);
    const pack = async (): Promise<void> => {
      if (!(await exists(path))) {
        return;
      }
      if (!(await exists(packedPath(path)))) {
        await packLog(path);
      }
      await rm(path);
    };
    await this.#locks.run(`log:${path}`, async () => await this.#appending.run(path, pack));
  }

  /** The attempts at a job whose logs are not packed. */
  async unpacked(jobId: string): Promise<number[]> {
    const names = await namesIn(ensureInside(this.#folder, jobId));
    return names.flatMap((file) => /^(\d+)\.log$/.exec(file)?.[1] ?? []).map(Number);
  }

  /** The packed form is there before the plain one goes, so one of the two looks finds the log. */
  async #open(name: AttemptName): Promise<OpenLog | undefined> {
    const path = this.#path(name);
    const plain = await opened(path);
    if (plain !== undefined) {
      return await plainLog(plain);
    }
    const packed = await opened(packedPath(path));
    return packed && (await PackedLog.over(packed));
  }

  /** Calls the listener whenever a log of the job has grown or may have ended. The returned function ends that. */
  follow(jobId: string, listener: () => void): () => void {
    const listeners = this.#followers.get(jobId) ?? new Set();
    const entry = (): void => {
      listener();
    };
    listeners.add(entry);
    this.#followers.set(jobId, listeners);
    return () => {
      listeners.delete(entry);
      if (listeners.size === 0 && this.#followers.get(jobId) === listeners) {
        this.#followers.delete(jobId);
        this.#builtAs.delete(jobId);
      }
    };
  }

  isFollowed(jobId: string): boolean {
    return this.#followers.has(jobId) || [...this.#builtAs.values()].includes(jobId);
  }

  /** Who follows the first job is told of the log of the other one as well. */
  share(jobId: string, builtAs: string): void {
    if (jobId !== builtAs && this.#followers.has(jobId)) {
      this.#builtAs.set(jobId, builtAs);
    }
  }

  notify(jobId: string): void {
    const joined = [...this.#builtAs].flatMap(([id, builtAs]) => (builtAs === jobId ? id : []));
    for (const id of [jobId, ...joined]) {
      for (const listener of this.#followers.get(id) ?? []) {
        listener();
      }
    }
  }

  /** For logs that other processes write, too: whoever follows one looks again. */
  notifyAll(): void {
    for (const jobId of this.#followers.keys()) {
      this.notify(jobId);
    }
  }

  /** The jobs that have logs. */
  async jobIds(): Promise<string[]> {
    return (await namesIn(this.#folder)).filter((name) => !name.endsWith(REMOVED));
  }

  /** Removes the logs of a job that will have no more; reading one says so from now on. */
  async remove(jobId: string): Promise<void> {
    await writeFileAtomic(this.#marker(jobId), '');
    await rm(ensureInside(this.#folder, jobId), { recursive: true, force: true });
  }

  #marker(jobId: string): string {
    return ensureInside(this.#folder, `${jobId}${REMOVED}`);
  }

  #path({ jobId, attempt }: AttemptName): string {
    return ensureInside(this.#folder, jobId, `${attempt}.log`);
  }
}

async function opened(path: string): Promise<Handle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return undefined;
    }
    throw error;
  }
}

async function plainLog(handle: Handle): Promise<OpenLog> {
  const { size } = await handle.stat();
  return {
    size,
    read: async (offset, maxBytes) => {
      const length = Math.max(0, Math.min(maxBytes, size - offset));
      const bytes = Buffer.alloc(length);
      const { bytesRead } =
        length === 0 ? { bytesRead: 0 } : await handle.read(bytes, 0, length, offset);
      return bytes.subarray(0, bytesRead);
    },
    close: async () => {
      await handle.close();
    },
  };
}
