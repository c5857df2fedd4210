import { messageOf } from '../support/errors.ts';
import type { Log } from '../support/log.ts';

/** Work that goes on after the answer was given, one of a name at a time. */
export class Background {
  readonly #log: Log;
  readonly #running = new Map<string, Promise<void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  start(task: string, work: () => Promise<void>): void {
    if (!this.#running.has(task)) {
      this.#running.set(task, this.#run(task, work));
    }
  }

  async #run(task: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#log.error({ task, error: messageOf(error) }, 'work in the background failed');
    } finally {
      this.#running.delete(task);
    }
  }

  async idle(): Promise<void> {
    await Promise.all(this.#running.values());
  }
}
