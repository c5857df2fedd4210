import { writeSync } from 'node:fs';
import { isErrno } from './errors.ts';

const BUSY_MS = 10;

/** Writes bytes, perhaps not all of them; returns how many. */
type Write = (bytes: Uint8Array) => number;

/**
 * Where the lines of a log go: to stdout, at once. What cannot be written, because it goes to a disk that is full or a reader
 * that is gone, is lost; it must not stop what the log is about. The next line that can be written says how many were.
 */
export class LogOutput {
  readonly #write: Write;
  #lost = 0;
  #isWithinLine = false;

  constructor(write: Write = (bytes) => writeSync(1, bytes)) {
    this.#write = write;
  }

  write(line: string): void {
    try {
      if (this.#lost > 0) {
        this.#writeAll(`${this.#isWithinLine ? '\n' : ''}${lostLine(this.#lost)}`);
        this.#lost = 0;
      }
      this.#writeAll(line);
    } catch {
      // There is nowhere to say it.
      this.#lost += 1;
    }
  }

  #writeAll(text: string): void {
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length; ) {
      const written = this.#writeSome(bytes.subarray(done));
      done += written;
      this.#isWithinLine = written > 0 ? bytes[done - 1] !== 0x0a : this.#isWithinLine;
    }
  }

  /** A pipe whose reader is slow is waited for. */
  #writeSome(bytes: Uint8Array): number {
    try {
      return this.#write(bytes);
    } catch (error) {
      if (!isErrno(error, 'EAGAIN')) {
        throw error;
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_MS);
      return 0;
    }
  }
}

function lostLine(count: number): string {
  const line = {
    level: 40,
    time: new Date().toISOString(),
    lost: count,
    msg: 'lines of this log are lost: they could not be written',
  };
  return `${JSON.stringify(line)}\n`;
}
