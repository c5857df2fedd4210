import type { Retention } from '../../src/repository/retention/retention.ts';

async function unused(): Promise<never> {
  throw new Error('nothing is collected here');
}

/** For tests of rooms that have nothing to do with retention. */
export function unusedRetention(): Retention {
  return {
    collect: unused,
    progress: () => undefined,
    pin: unused,
    unpin: unused,
    pins: async () => [],
    findCollected: async () => undefined,
  };
}
