import * as z from 'zod';
import type { MemberState } from './member-states.ts';

/**
 *     PUT  /api/fleet/inventory                     inventoryBodySchema -> importedInventorySchema    (admin)
 *     GET  /api/fleet/inventory?revision=           -> inventoryViewSchema
 *     GET  /api/fleet/inventory/revisions?limit=    -> inventoryListSchema
 *     GET  /api/fleet/inventory/ansible             -> ansibleInventorySchema
 *     GET  /api/fleet/status?fresh=                 -> fleetStatusSchema
 *
 * Times are in milliseconds since the epoch.
 */
export const INVENTORY_FORMATS = ['toml', 'ansible'] as const;
const MAX_FILES = 200;
const MAX_TEXT = 16 * 1024 * 1024;

export const inventoryBodySchema = z.strictObject({
  format: z.enum(INVENTORY_FORMATS),
  files: z
    .array(
      z.strictObject({
        /** What faults are told with; the ending says which of Ansible's formats it is. */
        name: z
          .string()
          .min(1)
          .max(500)
          .regex(/^\P{Cc}*$/u, 'has to be one line without control characters'),
        text: z.string().max(MAX_TEXT),
      }),
    )
    .min(1)
    .max(MAX_FILES),
  reason: z.string().max(2000).default(''),
  /** Only says what would change. */
  dryRun: z.boolean().default(false),
});

const endpoint = { host: z.string(), port: z.number() };
const balancerSchema = z.discriminatedUnion('driver', [
  z.object({
    name: z.string(),
    driver: z.literal('haproxy'),
    socket: z.string(),
    memberBackend: z.string(),
    farmBackends: z.tuple([z.string(), z.string()]),
  }),
  z.object({ name: z.string(), driver: z.literal('health-file'), noticedAfterSeconds: z.number() }),
  z.object({ name: z.string(), driver: z.literal('command'), command: z.array(z.string()) }),
]);

const farmSchema = z.object({
  name: z.string(),
  site: z.string(),
  memcached: z.array(z.object(endpoint)),
  /** How many members may be out at the same time. */
  maxOut: z.number(),
  /** How many have to serve while the farm takes visitors. */
  minServing: z.number(),
  members: z.array(
    z.object({
      node: z.string(),
      farm: z.string(),
      index: z.number(),
      ssh: z.object({ ...endpoint, user: z.string() }),
      profile: z.string(),
      webServer: z.enum(['nginx', 'apache', 'apache-mod-php']),
      rack: z.string().nullable(),
      weight: z.number(),
      isEager: z.boolean(),
    }),
  ),
});

export const inventorySchema = z.object({
  sites: z.array(
    z.object({
      name: z.string(),
      balancers: z.array(balancerSchema),
      farms: z.array(farmSchema),
      peakLoad: z.number().nullable(),
      sessionSeconds: z.number().nullable(),
      windows: z.array(
        z.object({
          /** 1 Monday to 7 Sunday. */
          days: z.array(z.number()),
          from: z.string(),
          to: z.string(),
          timeZone: z.string(),
        }),
      ),
    }),
  ),
});
export type InventoryMessage = z.infer<typeof inventorySchema>;

export const inventoryNoteSchema = z.object({
  revision: z.number(),
  /** SHA-256 of its canonical JSON. */
  digest: z.string(),
  createdAt: z.number(),
  author: z.string(),
  reason: z.string(),
  source: z.object({ format: z.enum(INVENTORY_FORMATS), files: z.array(z.string()) }),
});
export type InventoryNoteView = z.infer<typeof inventoryNoteSchema>;

export const inventoryViewSchema = inventoryNoteSchema.extend({ inventory: inventorySchema });
export type InventoryView = z.infer<typeof inventoryViewSchema>;

export const inventoryListSchema = z.object({ revisions: z.array(inventoryNoteSchema) });

const changeSchema = z.object({
  added: z.array(z.string()),
  removed: z.array(z.string()),
  changed: z.array(z.string()),
});

export const importedInventorySchema = z.object({
  /** What holds now; with `dryRun` what would. */
  revision: inventoryNoteSchema,
  /** False when it says what the newest revision says already. */
  isNew: z.boolean(),
  changes: z.object({ nodes: changeSchema, farms: changeSchema, sites: changeSchema }),
  /** What was passed over, sentences. */
  remarks: z.array(z.string()),
});
export type ImportedInventory = z.infer<typeof importedInventorySchema>;

/** How members stand by what they have said; see `MEMBER_STATES`. */
const STANDING_STATES = [
  'as-published',
  'differs',
  'old-kernel',
  'deleted-files',
  'stale',
  'other-profile',
  'weak-processor',
  'unreported',
] as const satisfies readonly MemberState[];

export const fleetStatusSchema = z.object({
  at: z.number(),
  /** Of the inventory; null while there is none. */
  revision: z.number().nullable(),
  farms: z.array(
    z.object({
      site: z.string(),
      name: z.string(),
      members: z.array(
        z.object({
          node: z.string(),
          index: z.number(),
          state: z.enum(STANDING_STATES),
          /** A sentence. */
          note: z.string(),
        }),
      ),
    }),
  ),
  /** Which backend of each site serves, by the rollouts of the application, and what is not as it should be with its balancers. */
  sites: z.array(
    z.object({
      site: z.string(),
      live: z.enum(['blue', 'green']),
      rollout: z.string().nullable(),
      findings: z.array(z.string()),
    }),
  ),
  /** What is not as it should be, a sentence each. */
  flags: z.array(z.object({ node: z.string(), kind: z.string(), sentence: z.string() })),
});
export type FleetStatusView = z.infer<typeof fleetStatusSchema>;

/** As a dynamic inventory prints it for `--list`. */
export const ansibleInventorySchema = z.record(z.string(), z.unknown());
