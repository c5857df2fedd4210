import type { Clock } from '../../src/support/clock.ts';

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #now: number;
  #steady = 0;

  constructor(start = Date.UTC(2026, 0, 2, 3, 4, 5)) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  /** Time passes. */
  advance(ms: number): void {
    this.#now += ms;
    this.#steady += ms;
  }

  /** Somebody sets the clock. */
  jump(ms: number): void {
    this.#now += ms;
  }

  steady(): number {
    return this.#steady;
  }
}
