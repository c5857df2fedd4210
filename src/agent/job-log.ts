import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { sleep } from '../support/clock.ts';
import { AppError, isAppError } from '../support/errors.ts';
import type { Log } from '../support/log.ts';
import type { Attempt, ServerConnection } from './server-connection.ts';

const CHUNK_BYTES = 256 * 1024;
const LOOK_EVERY_MS = 250;
/** While nobody looks on: each piece costs the server as much as a large one. */
const LOOK_UNSEEN_MS = 1000;

/**
 * The log of one attempt, a file that grows. Programs of the build write to `fd` themselves, so that nothing is
 * lost when this process is busy, and nothing is kept in memory.
 */
export class JobLog {
  readonly path: string;
  readonly fd: number;
  #isOpen = true;

  constructor(path: string) {
    this.path = path;
    this.fd = openSync(path, 'ax', 0o644);
  }

  /** One line of the agent's own. */
  note(line: string): void {
    writeSync(this.fd, `>>> ${line}\n`);
  }

  get size(): number {
    return fstatSync(this.fd).size;
  }

  close(): void {
    if (this.#isOpen) {
      this.#isOpen = false;
      closeSync(this.fd);
    }
  }
}

/**
 * Sends a growing log to the server in pieces, each with its offset, and goes on where the server says that its
 * copy ends. `finish` sends what is left.
 */
export class LogStream {
  readonly #log: JobLog;
  readonly #connection: ServerConnection;
  readonly #attempt: Attempt;
  readonly #agentLog: Log;
  #sent = 0;
  /** Where the piece that is on its way ends, at the latest. */
  #reached = 0;
  /** What lies beyond is not sent. */
  #end = Number.MAX_SAFE_INTEGER;
  #isRefused = false;
  #isFollowed = true;

  constructor(options: {
    readonly log: JobLog;
    readonly connection: ServerConnection;
    readonly attempt: Attempt;
    readonly agentLog: Log;
  }) {
    this.#log = options.log;
    this.#connection = options.connection;
    this.#attempt = options.attempt;
    this.#agentLog = options.agentLog;
  }

  /** Sends as the log grows, until `ended`. */
  async follow(ended: AbortSignal, signal: AbortSignal): Promise<void> {
    while (!ended.aborted && !signal.aborted) {
      await this.finish(signal);
      await sleep(this.#isFollowed ? LOOK_EVERY_MS : LOOK_UNSEEN_MS, ended);
    }
  }

  /** Sends everything that is in the log now. */
  async finish(signal: AbortSignal): Promise<void> {
    const file = await open(this.#log.path, 'r');
    try {
      while (!this.#isRefused && this.#sent < Math.min(this.#log.size, this.#end)) {
        await this.#sendPiece(file, signal);
      }
    } finally {
      await file.close();
    }
  }

  /** Sends no more than `maxBytes` of the log, if that can still be, and one line of the agent's own instead of the rest. */
  async endWith(line: string, maxBytes: number, signal: AbortSignal): Promise<void> {
    this.#end = Math.min(Math.max(this.#sent, this.#reached, maxBytes), this.#log.size);
    await this.finish(signal);
    if (!this.#isRefused) {
      await this.#send(Buffer.from(`\n>>> ${line}\n`), signal);
    }
  }

  async #sendPiece(file: FileHandle, signal: AbortSignal): Promise<void> {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    this.#reached = this.#sent + CHUNK_BYTES;
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, this.#sent);
    await this.#send(buffer.subarray(0, Math.min(bytesRead, this.#end - this.#sent)), signal);
  }

  async #send(piece: Uint8Array, signal: AbortSignal): Promise<void> {
    try {
      const reply = await this.#connection.appendLog(this.#attempt, this.#sent, piece, signal);
      this.#sent = reply.size;
      this.#isFollowed = reply.isFollowed;
    } catch (error) {
      if (isAppError(error, 'log-too-large')) {
        this.#isRefused = true;
        this.#agentLog.warn({ jobId: this.#attempt.jobId }, 'log too large, the rest is not sent');
        return;
      }
      if (!isAppError(error, 'log-gap')) {
        throw error;
      }
      this.#sent = this.#sizeTold(error);
    }
  }

  /** Where the server's copy ends. It lies before what was sent, or the two would never meet. */
  #sizeTold(error: AppError): number {
    const { size } = error.details;
    if (typeof size !== 'number' || size < 0 || size >= this.#sent) {
      throw new AppError(
        'answer-not-understood',
        `The server misses part of the log at ${this.#sent}, and does not say from where on.`,
        { cause: error },
      );
    }
    return size;
  }
}
