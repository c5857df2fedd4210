import type { CollectionProgress, Retention } from '../../src/repository/retention/retention.ts';

async function unused(): Promise<never> {
  throw new Error('nothing is collected here');
}

/** For tests of rooms that have nothing to do with retention; the test says how far a collection is. */
export function unusedRetention(): Retention & {
  readonly move: (progress: CollectionProgress | undefined) => void;
} {
  let now: CollectionProgress | undefined;
  const listeners = new Set<() => void>();
  return {
    collect: unused,
    progress: () => now,
    move: (progress) => {
      now = progress;
      for (const listener of listeners) {
        listener();
      }
    },
    listen: (listener) => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    pin: unused,
    unpin: unused,
    pins: async () => [],
    findCollected: async () => undefined,
  };
}
