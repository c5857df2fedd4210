import {
  ansibleInventorySchema,
  fleetStatusSchema,
  importedInventorySchema,
  inventoryListSchema,
  inventoryViewSchema,
} from '../protocol/fleet.ts';
import type { Calls } from './server-client.ts';

/** What is asked of a server about the fleet. */
export function fleetCalls({ get, ask }: Pick<Calls, 'get' | 'ask'>) {
  return {
    importInventory: async (json: unknown) =>
      await ask({ method: 'PUT', path: '/api/fleet/inventory', json }, importedInventorySchema),
    inventory: async (revision?: number) =>
      await get('/api/fleet/inventory', inventoryViewSchema, { revision }),
    inventoryRevisions: async (limit: number) =>
      (await get('/api/fleet/inventory/revisions', inventoryListSchema, { limit })).revisions,
    ansibleInventory: async () => await get('/api/fleet/inventory/ansible', ansibleInventorySchema),
    fleetStatus: async (fresh?: number) =>
      await get('/api/fleet/status', fleetStatusSchema, { fresh }),
  };
}
