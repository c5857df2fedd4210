import * as z from 'zod';
import { exportAnsible } from '../../fleet/inventory/ansible/export-ansible.ts';
import { farmsOf } from '../../fleet/inventory/inventory.ts';
import type { InventoryChanges } from '../../fleet/inventory/inventory-changes.ts';
import type { InventoryNote } from '../../fleet/inventory/inventory-store.ts';
import { type FleetStandings, FRESH_SECONDS } from '../../fleet/status/standings.ts';
import {
  ansibleInventorySchema,
  type FleetStatusView,
  fleetStatusSchema,
  type ImportedInventory,
  type InventoryNoteView,
  importedInventorySchema,
  inventoryBodySchema,
  inventoryListSchema,
  inventoryViewSchema,
} from '../../protocol/fleet.ts';
import { actorOf } from '../authentication.ts';
import type { HttpContext } from '../context.ts';
import { guardedRoute, NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';

const INVENTORY_BYTES = 32 * 1024 * 1024;
const MOST_REVISIONS = 1000;
const MOST_SECONDS = 366 * 24 * 3600;

/** What production consists of. */
export function fleetRoutes(context: HttpContext): readonly Route[] {
  return [importRoute(context), ...inventoryRoutes(context), statusRoute(context)];
}

function importRoute({ inventories }: HttpContext): Route {
  return guardedRoute({
    method: 'put',
    path: '/api/fleet/inventory',
    role: 'admin',
    summary: 'Say anew what production consists of',
    query: NO_QUERY,
    body: inventoryBodySchema,
    maxBodyBytes: INVENTORY_BYTES,
    replies: { 200: importedInventorySchema },
    handle: async ({ body: { dryRun: isDry, ...body }, identity }) => {
      const made = await inventories.import({ ...body, isDry, author: actorOf(identity) });
      const { revision, changes, remarks, isNew } = made;
      const json: ImportedInventory = {
        revision: noteView(revision),
        isNew,
        changes: changesView(changes),
        remarks: [...remarks],
      };
      return { status: 200, json };
    },
  });
}

function inventoryRoutes({ inventories }: HttpContext): readonly Route[] {
  return [
    openRoute({
      method: 'get',
      path: '/api/fleet/inventory',
      summary: 'What production consists of, now or at a revision',
      query: z.object({ revision: z.coerce.number().int().min(1).optional() }),
      body: NO_BODY,
      replies: { 200: inventoryViewSchema },
      handle: async ({ query }) => ({
        status: 200,
        json: await inventories.require(query.revision),
      }),
    }),
    openRoute({
      method: 'get',
      path: '/api/fleet/inventory/ansible',
      summary: 'The inventory as a dynamic inventory of Ansible',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: ansibleInventorySchema },
      handle: async () => ({
        status: 200,
        json: exportAnsible((await inventories.require()).inventory),
      }),
    }),
    openRoute({
      method: 'get',
      path: '/api/fleet/inventory/revisions',
      summary: 'Who changed the inventory, when and why',
      query: z.object({ limit: z.coerce.number().int().min(1).max(MOST_REVISIONS).default(100) }),
      body: NO_BODY,
      replies: { 200: inventoryListSchema },
      handle: async ({ query }) => ({
        status: 200,
        json: { revisions: (await inventories.list(query.limit)).map(noteView) },
      }),
    }),
  ];
}

function statusRoute({ standings }: HttpContext): Route {
  return openRoute({
    method: 'get',
    path: '/api/fleet/status',
    summary: 'How all nodes stand: what is recorded of them beside what they say',
    query: z.object({
      fresh: z.coerce.number().int().min(1).max(MOST_SECONDS).default(FRESH_SECONDS),
    }),
    body: NO_BODY,
    replies: { 200: fleetStatusSchema },
    handle: async ({ query }) => ({
      status: 200,
      json: statusView(await standings.read(query.fresh)),
    }),
  });
}

function statusView(standings: FleetStandings): FleetStatusView {
  const { at, revision, inventory, members, flags, sites } = standings;
  const unknown = { state: 'unreported', note: '' } as const;
  return {
    at,
    revision: revision?.revision ?? null,
    farms: farmsOf(inventory).map((farm) => ({
      site: farm.site,
      name: farm.name,
      members: farm.members.map(({ node, index }) => ({
        node,
        index,
        ...(members.get(node) ?? unknown),
      })),
    })),
    sites: sites.map(({ findings, ...site }) => ({ ...site, findings: [...findings] })),
    flags: [...flags],
  };
}

function noteView(note: InventoryNote): InventoryNoteView {
  const { revision, digest, createdAt, author, reason, source } = note;
  const files = [...source.files];
  return { revision, digest, createdAt, author, reason, source: { ...source, files } };
}

function changesView({ nodes, farms, sites }: InventoryChanges): ImportedInventory['changes'] {
  const [one, two, three] = [nodes, farms, sites].map(({ added, removed, changed }) => ({
    added: [...added],
    removed: [...removed],
    changed: [...changed],
  }));
  const none = { added: [], removed: [], changed: [] };
  return { nodes: one ?? none, farms: two ?? none, sites: three ?? none };
}
