import * as z from 'zod';
import { nameSchema } from './common.ts';

/**
 *     POST   /api/repository/collect    collectBodySchema -> 202 collectionTaskSchema                          (admin)
 *     GET    /api/repository/collect    -> collectionProgressSchema
 *     GET    /api/repository/collect/events    the same as server-sent events, until there is none
 *     PUT    /api/profiles/:profile/channels/:channel/pins/:serial    pinBodySchema -> pinViewSchema           (admin)
 *     DELETE /api/profiles/:profile/channels/:channel/pins/:serial    unpinBodySchema -> 204                   (admin)
 */
export const collectBodySchema = z.strictObject({
  /** Only this profile; absent: all. */
  profile: nameSchema.optional(),
  /** Only say what would go. */
  dryRun: z.boolean().default(false),
});

const amount = { files: z.number(), bytes: z.number() };

export const collectionViewSchema = z.object({
  dryRun: z.boolean(),
  profiles: z.array(
    z.object({
      profile: z.string(),
      publications: z.array(
        z.object({
          channel: z.string(),
          serial: z.number(),
          createdAt: z.number(),
          keep: z.boolean(),
          /** Sentences; none for what goes. */
          holders: z.array(z.string()),
          bytes: z.number(),
        }),
      ),
      /** Those that go. */
      packages: z.array(
        z.object({
          id: z.string(),
          cpv: z.string(),
          buildId: z.number(),
          path: z.string(),
          size: z.number(),
        }),
      ),
      going: z.object(amount),
      /** By what holds it, most bytes first. */
      staying: z.array(z.object({ holder: z.string(), ...amount })),
    }),
  ),
  /** Rows that were removed, by table. */
  rows: z.record(z.string(), z.number()),
});
export type CollectionView = z.infer<typeof collectionViewSchema>;

/** A collection that was begun. */
export const collectionTaskSchema = z.object({
  id: z.string(),
  state: z.enum(['running', 'done', 'failed']),
  /** Null for all profiles. */
  profile: z.string().nullable(),
  dryRun: z.boolean(),
  actor: z.string(),
  startedAt: z.number(),
  finishedAt: z.number().nullable(),
  /** When it is done: what is gone, or would go, and what holds what stays. */
  collection: collectionViewSchema.nullable(),
  /** Why it failed. */
  error: z.string().nullable(),
});
export type CollectionTaskView = z.infer<typeof collectionTaskSchema>;

export const collectionProgressSchema = z.object({
  /** The collection that was begun last, since the server started. */
  task: collectionTaskSchema.nullable(),
  /** How far one is that is under way, whoever began it: housekeeping collects, too. */
  underWay: z
    .object({
      profile: z.string(),
      /** At first it looks at publications and packages to find what goes, then it removes that. */
      stage: z.enum(['looking', 'removing']),
      done: z.number(),
      total: z.number(),
    })
    .nullable(),
});

export const pinBodySchema = z.strictObject({ reason: z.string().min(1).max(2000) });
export const unpinBodySchema = z.strictObject({ reason: z.string().max(2000).default('') });

export const pinViewSchema = z.object({
  profile: z.string(),
  channel: z.string(),
  serial: z.number(),
  author: z.string(),
  reason: z.string(),
  createdAt: z.number(),
});
