import { type BuildFailure, FailureFinder } from '../gentoo/build-failure.ts';
import { advanceProgress, type BuildProgress, NO_PROGRESS } from '../gentoo/build-phase.ts';
import { LineSplitter, type NumberedLine } from '../support/line-splitter.ts';
import type { Locks } from '../support/locks.ts';
import { plainLine } from '../support/terminal-text.ts';
import type { AttemptName, BuildLogs } from './build-log.ts';

const PIECE_BYTES = 256 * 1024;
const MOST_LOGS = 500;

export interface Findings {
  readonly progress: BuildProgress;
  readonly failure: BuildFailure | undefined;
  /** How much of the log was read. */
  readonly bytes: number;
}

/**
 * What the logs of attempts tell, read as far as they have grown whenever somebody asks: nobody asks, nothing is read.
 * It is found in the logs alone, so it is the same after a restart.
 */
export class LogFindings {
  readonly #logs: BuildLogs;
  readonly #locks: Locks;
  /** The ones asked for last are at the end. */
  readonly #readers = new Map<string, LogReader>();

  constructor(logs: BuildLogs, locks: Locks) {
    this.#logs = logs;
    this.#locks = locks;
  }

  /** Reads what was added since the last time. Throws `log-damaged`. */
  async of(name: AttemptName): Promise<Findings> {
    const key = `${name.jobId}/${name.attempt}`;
    return await this.#locks.run(`findings:${key}`, async () => {
      const reader = this.#readers.get(key) ?? new LogReader();
      this.#readers.delete(key);
      this.#readers.set(key, reader);
      this.#forgetOldest();
      await reader.catchUp(async (offset) => {
        const { bytes } = await this.#logs.read(name, { offset, maxBytes: PIECE_BYTES });
        return bytes;
      });
      return reader.findings;
    });
  }

  #forgetOldest(): void {
    for (const key of this.#readers.keys()) {
      if (this.#readers.size <= MOST_LOGS) {
        return;
      }
      this.#readers.delete(key);
    }
  }
}

class LogReader {
  readonly #splitter = new LineSplitter();
  readonly #finder = new FailureFinder();
  #progress = NO_PROGRESS;
  #offset = 0;

  get findings(): Findings {
    return { progress: this.#progress, failure: this.#finder.failure, bytes: this.#offset };
  }

  async catchUp(read: (offset: number) => Promise<Buffer>): Promise<void> {
    for (let bytes = await read(this.#offset); bytes.length > 0; ) {
      for (const line of this.#splitter.take(bytes)) {
        this.#take(line);
      }
      this.#offset += bytes.length;
      bytes = await read(this.#offset);
    }
  }

  #take(line: NumberedLine): void {
    const text = plainLine(line.text);
    this.#progress = advanceProgress(this.#progress, text);
    this.#finder.take(text, line);
  }
}
