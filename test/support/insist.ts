import { poll } from './poll.ts';

/** Of `fetch`, when a server is not there. In tests errors of Node are of another realm. */
export function isNetworkError(error: unknown): boolean {
  return (
    typeof error === 'object' && error !== null && 'name' in error && error.name === 'TypeError'
  );
}

/** Asks until somebody has answered, whoever is killed meanwhile; a refusal is an error, and so is the end of the time. */
export async function insist<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  timeoutMs = 120_000,
): Promise<T> {
  return await poll(
    what,
    async () => {
      try {
        return await ask();
      } catch (error) {
        if (isNetworkError(error)) {
          return undefined;
        }
        throw error;
      }
    },
    timeoutMs,
  );
}
