import * as z from 'zod';
import type { Inventory } from './inventory.ts';

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
const endpoint = { host: z.string(), port: z.number() };

/** An inventory as the database keeps it. */
export const inventorySchema: z.ZodType<Inventory> = z.object({
  sites: z.array(
    z.object({
      name: z.string(),
      balancers: z.array(balancerSchema),
      farms: z.array(
        z.object({
          name: z.string(),
          site: z.string(),
          memcached: z.array(z.object(endpoint)),
          maxOut: z.number(),
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
        }),
      ),
      peakLoad: z.number().nullable(),
      sessionSeconds: z.number().nullable(),
      windows: z.array(
        z.object({
          days: z.array(z.number()),
          from: z.string(),
          to: z.string(),
          timeZone: z.string(),
        }),
      ),
    }),
  ),
});
