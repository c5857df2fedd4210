import { setImmediate } from 'node:timers/promises';
import type { Time } from '../../../src/fleet/rollout/rollout-context.ts';
import { Heap } from '../heap.ts';

interface Due {
  readonly at: number;
  readonly order: number;
  readonly act: () => void;
}

/** Time that passes when nothing else is to be done: from one thing that is due to the next. */
export class SimulatedTime implements Time {
  readonly #grainMs: number;
  readonly #settled: () => Promise<void>;
  #now: number;
  #order = 0;
  readonly #due = new Heap<Due>((one, other) => one.at - other.at || one.order - other.order);

  /**
   * `grainMs`: what is due within one of these is due at its end, all of it at the same moment. `settled` resolves when
   * nothing goes on any more that takes no time.
   */
  constructor(
    start = Date.UTC(2026, 0, 5, 12),
    grainMs = 1,
    settled: () => Promise<void> = async () => await setImmediate(),
  ) {
    this.#now = start;
    this.#grainMs = grainMs;
    this.#settled = settled;
  }

  now(): number {
    return this.#now;
  }

  /** Calls this when it is due. */
  at(ms: number, act: () => void): void {
    this.#order += 1;
    const at = Math.ceil(Math.max(ms, this.#now) / this.#grainMs) * this.#grainMs;
    this.#due.push({ at, order: this.#order, act });
  }

  after(ms: number, act: () => void): void {
    this.at(this.#now + ms, act);
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) {
      return;
    }
    await new Promise<void>((resolve) => {
      const end = (): void => {
        signal?.removeEventListener('abort', end);
        resolve();
      };
      signal?.addEventListener('abort', end);
      this.after(ms, end);
    });
  }

  /** Lets time pass until this is so. Throws when it is not within `mostMs` or nothing is due any more. */
  async runUntil(isOver: () => boolean, mostMs = 30 * 24 * 3_600_000): Promise<void> {
    const end = this.#now + mostMs;
    await this.#settled();
    while (!isOver()) {
      const next = this.#due.pop();
      if (next === undefined || next.at > end) {
        throw new Error(next === undefined ? 'nothing is due any more' : 'the time is over');
      }
      this.#now = next.at;
      next.act();
      // Whatever is due at the same moment acts before anybody reacts.
      while (this.#due.peek()?.at === this.#now) {
        this.#due.pop()?.act();
      }
      await this.#settled();
    }
  }
}
