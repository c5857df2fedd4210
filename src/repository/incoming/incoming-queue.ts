import { lstat } from 'node:fs/promises';
import { type Clock, sleep } from '../../support/clock.ts';
import { isErrno } from '../../support/errors.ts';
import { Settling } from './settling.ts';

export interface QueueTimes {
  /** A file has to stay as it is for this long before it is read. */
  readonly quietMs: number;
  /** And for this long before it is refused: what is still being written looks broken. */
  readonly settleMs: number;
  /** After this long a file is looked at again that could not be imported for reasons of the server. */
  readonly retryMs: number;
}

/** What became of a file: gone from where it lay, or to be looked at again, later or when it has settled. */
export type Handled = 'gone' | 'unsettled' | 'retry';

interface QueueOptions extends QueueTimes {
  readonly clock: Clock;
  /** `quiet`: for how many milliseconds it has been as it is. */
  readonly handle: (path: string, quiet: number) => Promise<Handled>;
  readonly onError: (error: unknown) => void;
}

/** Files that wait to be imported, one after another, each when it has been quiet for long enough. */
export class IncomingQueue {
  readonly #options: QueueOptions;
  readonly #settling = new Settling();
  /** When to look at a path next. */
  readonly #due = new Map<string, number>();
  #wake = new AbortController();

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Something was said of this path. */
  add(path: string): void {
    const now = this.#options.clock.now();
    const dueAt = this.#due.get(path);
    if (dueAt === undefined || dueAt > now + this.#options.quietMs) {
      this.#due.set(path, dueAt === undefined ? now : now + this.#options.quietMs);
      this.#wake.abort();
    }
  }

  /** Works until the signal aborts; what it has begun it ends. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#wake = new AbortController();
      let next = Number.POSITIVE_INFINITY;
      for (const [path, dueAt] of this.#due) {
        if (signal.aborted) {
          return;
        }
        const now = this.#options.clock.now();
        if (dueAt <= now) {
          await this.#tryTurn(path, now);
        }
        next = Math.min(next, this.#due.get(path) ?? next);
      }
      const wait = Math.max(1, next - this.#options.clock.now());
      if (Number.isFinite(wait)) {
        await sleep(wait, AbortSignal.any([signal, this.#wake.signal]));
      } else {
        await aborted(AbortSignal.any([signal, this.#wake.signal]));
      }
    }
  }

  async #tryTurn(path: string, now: number): Promise<void> {
    try {
      await this.#turn(path, now);
    } catch (error) {
      this.#options.onError(error);
      this.#due.set(path, now + this.#options.retryMs);
    }
  }

  async #turn(path: string, now: number): Promise<void> {
    const { quietMs, settleMs, retryMs } = this.#options;
    const quiet = await this.#quietFor(path, now);
    if (quiet === undefined) {
      this.#forget(path);
      return;
    }
    if (quiet < quietMs) {
      this.#due.set(path, now + quietMs - quiet);
      return;
    }
    const handled = await this.#options.handle(path, quiet);
    if (handled === 'gone') {
      this.#forget(path);
    } else {
      const settling = quiet < settleMs ? settleMs - quiet : settleMs;
      const wait = handled === 'retry' ? retryMs : settling;
      this.#due.set(path, this.#options.clock.now() + wait);
    }
  }

  /** Undefined when the file is not there. */
  async #quietFor(path: string, now: number): Promise<number | undefined> {
    try {
      return this.#settling.look(path, await lstat(path), now);
    } catch (error) {
      if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) {
        return undefined;
      }
      throw error;
    }
  }

  #forget(path: string): void {
    this.#due.delete(path);
    this.#settling.forget(path);
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) {
    await new Promise((resolve) => {
      signal.addEventListener('abort', resolve, { once: true });
    });
  }
}
