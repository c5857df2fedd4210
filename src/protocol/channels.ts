import * as z from 'zod';
import { nameSchema } from './common.ts';
import { refusalViewSchema } from './refusal.ts';
import { pinViewSchema } from './retention.ts';

/**
 *     GET  /api/profiles/:profile/channels/:channel            -> channelViewSchema
 *     POST /api/profiles/:profile/channels/:channel/publish    publishBodySchema -> 201 publicationViewSchema    (admin)
 *     POST /api/profiles/:profile/channels/:channel/promote    promoteBodySchema -> 201 publicationViewSchema    (admin)
 *     POST /api/profiles/:profile/channels/:channel/rollback   rollbackBodySchema -> 201 publicationViewSchema   (admin)
 *     GET  /api/profiles/:profile/channels/:channel/proof      -> proofViewSchema, in nodes.ts
 */
const reason = z.string().max(2000).default('');
const serial = z.number().int().min(1).optional();
/** Ids of the gate's findings that are to pass; they need a reason. */
const allow = z.array(z.string().min(1).max(100)).max(10_000).optional();
/** The serial that the channel showed when this was decided, 0 for none: another one now is answered with 409. */
const expectedSerial = z.number().int().min(0).optional();

export const publishBodySchema = z.strictObject({
  reason,
  expectedSerial,
  /** Packages that replace what the channel has of the same category/pn:slot; absent: the newest of everything. */
  packageIds: z.array(z.string()).optional(),
  /** On a later channel also without the proof that a promotion of the same would need; needs a reason. */
  force: z.boolean().default(false),
  allow,
});
export const promoteBodySchema = z.strictObject({
  reason,
  expectedSerial,
  from: nameSchema.optional(),
  serial,
  /** Also without the proof that the profile asks for; needs a reason. */
  force: z.boolean().default(false),
  allow,
});
export const rollbackBodySchema = z.strictObject({ reason, expectedSerial, serial });

export const publicationViewSchema = z.object({
  profile: z.string(),
  channel: z.string(),
  serial: z.number(),
  snapshotId: z.string(),
  /** TIMESTAMP of the index, seconds since the epoch. */
  timestamp: z.number(),
  createdAt: z.number(),
  author: z.string(),
  reason: z.string(),
  kind: z.enum(['publish', 'promote', 'rollback']),
  packageCount: z.number(),
  /** What its proof lacked when it was published or promoted by force; null for all others. */
  forced: z.object({ missing: z.array(z.string()) }).nullable(),
  /** Path of the binhost that always shows this publication, for `sync-uri`, while it is retained. */
  path: z.string(),
});
export type PublicationView = z.infer<typeof publicationViewSchema>;

export const channelViewSchema = z.object({
  profile: z.string(),
  channel: z.string(),
  /** URL of the binhost, for `sync-uri`. */
  uri: z.string(),
  /** What was let pass for the current publication. */
  allowed: z
    .array(
      z.object({
        findingId: z.string(),
        message: z.string(),
        author: z.string(),
        reason: z.string(),
        createdAt: z.number(),
      }),
    )
    .default([]),
  /** What was refused last, unless something was published since. */
  refused: refusalViewSchema.nullable().default(null),
  current: publicationViewSchema.nullable(),
  publications: z.array(publicationViewSchema),
  /** Publications that stay until they are unpinned. */
  pins: z.array(pinViewSchema).default([]),
});
export type ChannelView = z.infer<typeof channelViewSchema>;
