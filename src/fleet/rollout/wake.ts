import type { Time } from './rollout-context.ts';

/** Waits that somebody can end. */
export class Wake {
  readonly #time: Time;
  #waiting: AbortController | undefined;
  #isDue = false;

  constructor(time: Time) {
    this.#time = time;
  }

  /** Ends the wait, or the next one when there is none. */
  now(): void {
    this.#isDue = true;
    this.#waiting?.abort();
  }

  async wait(ms: number): Promise<void> {
    if (!this.#isDue) {
      this.#waiting = new AbortController();
      await this.#time.sleep(ms, this.#waiting.signal);
      this.#waiting = undefined;
    }
    this.#isDue = false;
  }
}
