import { setTimeout as delay } from 'node:timers/promises';

/** Where time comes from. Nothing else in src/ reads `Date.now()`. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds since some moment, which pass whatever `now` is set to. Without it, `now` is believed. */
  readonly steady?: () => number;
}

export const systemClock: Clock = { now: () => Date.now(), steady: () => performance.now() };

/** Whole seconds since the epoch, the unit of TIMESTAMP, MTIME and BUILD_TIME. */
export function epochSeconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000);
}

/** Waits; resolves early, without an error, when the signal aborts. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) {
    return;
  }
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    if (!signal?.aborted) {
      throw error;
    }
  }
}
