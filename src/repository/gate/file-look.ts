import type { Worker } from 'node:worker_threads';
import { startThread } from '../../support/threads.ts';

/** What the thread is told. */
export interface LookRequest {
  readonly number: number;
  readonly folder: string;
  /** See `formatFiles`. */
  readonly lists: readonly string[];
}

export interface OddFile {
  readonly list: number;
  readonly line: number;
}

export interface LookAnswer {
  readonly number: number;
  readonly odd: readonly OddFile[];
}

interface Waiting {
  readonly resolve: (odd: readonly OddFile[]) => void;
  readonly reject: (error: unknown) => void;
}

/** A thread that nobody asks for so long ends. */
const IDLE_MS = 60_000;

/**
 * Looks at many files on a thread of its own: a look takes some microseconds, and at 20,000 files the event loop would
 * have to do little else. The thread begins with the first question, keeps no program from ending, and ends when it
 * has been idle for a minute.
 */
export class FileLook {
  readonly #idleMs: number;
  readonly #waiting = new Map<number, Waiting>();
  #thread: Worker | undefined;
  #timer: NodeJS.Timeout | undefined;
  #asked = 0;

  constructor(idleMs = IDLE_MS) {
    this.#idleMs = idleMs;
  }

  get isRunning(): boolean {
    return this.#thread !== undefined;
  }

  /** Those of the files in lists, below a folder, that are worth another look. Rejects when the thread fails. */
  async odd(folder: string, lists: readonly string[]): Promise<readonly OddFile[]> {
    const number = (this.#asked += 1);
    clearTimeout(this.#timer);
    const thread = (this.#thread ??= this.#start());
    return await new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      thread.ref();
      const request: LookRequest = { number, folder, lists };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      thread.postMessage(request);
    });
  }

  #start(): Worker {
    const thread = startThread(import.meta.url, 'file-look-thread');
    let fault: unknown = new Error('the thread that looks at files has ended');
    thread.on('message', ({ number, odd }: LookAnswer) => {
      this.#waiting.get(number)?.resolve(odd);
      this.#waiting.delete(number);
      if (this.#waiting.size === 0) {
        thread.unref();
        this.#timer = setTimeout(() => void this.#end(thread), this.#idleMs).unref();
      }
    });
    thread.on('error', (error) => {
      fault = error;
    });
    thread.on('exit', () => {
      if (this.#thread !== thread) {
        return;
      }
      this.#thread = undefined;
      for (const { reject } of this.#waiting.values()) {
        reject(fault);
      }
      this.#waiting.clear();
    });
    return thread;
  }

  async #end(thread: Worker): Promise<void> {
    this.#thread = undefined;
    await thread.terminate();
  }
}
