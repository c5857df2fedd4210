import { afterAll, beforeAll } from '@jest/globals';

/**
 * Opens something before the tests of a `describe`, and stops it behind them, also when `prepare` fails. Call it in the `describe`,
 * outside of tests and hooks; the returned function gives what was opened.
 */
export function openedForAll<T extends { stop(): Promise<void> }>(
  open: () => Promise<T>,
  prepare: (opened: T) => Promise<void>,
  timeoutMs: number,
): () => T {
  let opened: T | undefined;
  beforeAll(async () => {
    opened = await open();
    await prepare(opened);
  }, timeoutMs);
  afterAll(async () => {
    await opened?.stop();
  });
  return () => {
    if (opened === undefined) {
      throw new Error('nothing was opened');
    }
    return opened;
  };
}
