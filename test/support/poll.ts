import { setTimeout as delay } from 'node:timers/promises';

/** Asks until the answer is not undefined; fails with the description after `timeoutMs`. */
export async function poll<T>(
  description: string,
  ask: () => Promise<T | undefined> | T | undefined,
  timeoutMs = 40_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) {
      return answer;
    }
    if (Date.now() > deadline) {
      throw new Error(`waited ${timeoutMs} ms in vain for: ${description}`);
    }
    await delay(20);
  }
}
