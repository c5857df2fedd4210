import { sleep } from './clock.ts';

export interface Backoff {
  readonly initialMs: number;
  readonly maximumMs: number;
}

/** The wait before try number `attempt` (0, 1, ...): doubling, capped, with up to 20 % jitter. */
export function backoffDelay(backoff: Backoff, attempt: number, random: () => number): number {
  const base = Math.min(backoff.maximumMs, backoff.initialMs * 2 ** attempt);
  return Math.round(base * (0.8 + 0.2 * random()));
}

/**
 * Calls `action` until it resolves. A rejection for which `isTransient` says false is thrown on at once; so is
 * the last one when the signal aborts.
 */
export async function retry<T>(
  action: () => Promise<T>,
  options: {
    readonly backoff: Backoff;
    readonly isTransient: (error: unknown) => boolean;
    readonly signal: AbortSignal;
    readonly onRetry?: (error: unknown, waitMs: number) => void;
  },
): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await action();
    } catch (error) {
      if (options.signal.aborted || !options.isTransient(error)) {
        throw error;
      }
      const waitMs = backoffDelay(options.backoff, attempt, Math.random);
      options.onRetry?.(error, waitMs);
      await sleep(waitMs, options.signal);
    }
  }
}
