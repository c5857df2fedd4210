import { inventoryViewSchema } from '../protocol/fleet.ts';
import type { Calls } from './server-client.ts';

/** Calls about what production consists of. */
export function inventoryCalls({ get }: Pick<Calls, 'get'>) {
  return {
    inventory: async () => await get('/api/fleet/inventory', inventoryViewSchema),
  };
}
