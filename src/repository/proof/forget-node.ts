import { AppError } from '../../support/errors.ts';
import type { Deed } from '../repository.ts';
import { deleteNode } from './node-store.ts';
import type { ProofContext } from './proof-context.ts';
import { removeUnusedServices } from './system-store.ts';

/**
 * Removes what a node has reported and proven: it is gone, or its word is worth nothing. Promotions that were made
 * on it stay; the journal keeps what it said. Should it report again, it begins anew. Throws `unknown-node`.
 */
export async function forgetNode(
  context: ProofContext,
  node: string,
  { author, reason }: Deed,
): Promise<void> {
  const event = await context.locks.run(
    `node-report:${node}`,
    async () =>
      await context.database.transaction().execute(async (queries) => {
        const removed = await deleteNode(queries, node);
        if (removed.reports === 0) {
          throw unknownNode(node);
        }
        await removeUnusedServices(queries);
        return await context.journal.write(queries, {
          kind: 'node-forgotten',
          subject: `node:${node}`,
          actor: author,
          data: { ...removed, reason },
        });
      }),
  );
  context.journal.announce(event);
}

export function unknownNode(name: string): AppError {
  return new AppError('unknown-node', `No node named ${name.slice(0, 100)} has reported yet.`);
}
