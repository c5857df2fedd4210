import type { RepositoryContext } from '../repository-context.ts';
import { collectRepository } from './collect-repository.ts';
import { pinPublication, unpinPublication } from './pin-publication.ts';
import type { CollectionProgress, Retention } from './retention.ts';
import { findCollectedPackage, pinsOf } from './retention-store.ts';

export function createRetention(context: RepositoryContext): Retention {
  let progress: CollectionProgress | undefined;
  const listeners = new Set<() => void>();
  return {
    collect: async (request) =>
      await collectRepository(context, request, (now) => {
        progress = now;
        for (const listener of listeners) {
          listener();
        }
      }),
    progress: () => progress,
    listen: (listener) => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    pin: async (key, deed) => await pinPublication(context, key, deed),
    unpin: async (key, deed) => {
      await unpinPublication(context, key, deed);
    },
    pins: async (profile) => await pinsOf(context.database, profile),
    findCollected: async (id) => await findCollectedPackage(context.database, id),
  };
}
