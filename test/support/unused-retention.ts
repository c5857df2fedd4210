import type { Retention } from '../../src/repository/retention/retention.ts';

/** For tests of rooms that have nothing to do with retention. */
export function unusedRetention(): Retention {
  const unused = async (): Promise<never> => {
    throw new Error('nothing is collected here');
  };
  return {
    collect: unused,
    progress: () => undefined,
    pin: unused,
    unpin: unused,
    pins: async () => [],
    findCollected: async () => undefined,
  };
}
