import { z } from 'zod';
import { nameSchema } from './common.ts';

/**
 *     GET    /api/profiles/:profile/php                               -> phpProfileSchema
 *     PUT    /api/profiles/:profile/php?sha512=&channel=              a tar -> 201 (or 200: had it) phpImportedSchema   (admin)
 *
 * An upload is a tar of `image/facts.json` (what `src/php/tree-meta.ts` calls facts) and the folder `image/tree`.
 */
export const phpImportQuerySchema = z.object({
  sha512: z.string().regex(/^[0-9a-f]{128}$/),
  /** A channel that shows the tree at once. */
  channel: nameSchema.optional(),
});

const reason = z.string().max(2000).default('');
const tree = z.string().max(200);

export const phpPromoteBodySchema = z.strictObject({
  reason,
  /** Default: what the channel before shows. */
  tree: tree.optional(),
  /** Also what the channel before does not show, or no node has proven; needs a reason. */
  force: z.boolean().default(false),
});
export const phpRollbackBodySchema = z.strictObject({
  reason,
  /** Default: what the channel showed before. */
  tree: tree.optional(),
});
export const phpRemoveBodySchema = z.strictObject({
  reason,
  /** Also while a node has it. */
  force: z.boolean().default(false),
});

export const phpTreeViewSchema = z.object({
  id: z.string(),
  profile: z.string(),
  php: z.string(),
  revision: z.number(),
  api: z.string(),
  isThreadSafe: z.boolean(),
  isDebug: z.boolean(),
  sapis: z.array(z.string()),
  extensions: z.array(z.string()),
  requires: z.string(),
  glibc: z.string().nullable(),
  bytes: z.number(),
  files: z.number(),
  /** SHA-256 of MANIFEST. */
  manifest: z.string(),
  /** ISO 8601. */
  madeAt: z.string(),
  kind: z.enum(['import', 'build']),
  sources: z.array(z.object({ name: z.string(), sha256: z.string().nullable() })),
  agent: z.string().nullable(),
  /** Channels that show it. */
  channels: z.array(z.string()),
});
export type PhpTreeView = z.infer<typeof phpTreeViewSchema>;

export const phpImportedSchema = z.object({
  tree: phpTreeViewSchema,
  /** False when a tree with the same content was there: that is the one. */
  isNew: z.boolean(),
  /** Of the INDEX that lists it. */
  serial: z.number(),
});

export const phpDeedSchema = z.object({
  serial: z.number(),
  kind: z.enum(['import', 'promote', 'rollback', 'remove', 'collect', 'recover']),
  channel: z.string().nullable(),
  tree: z.string().nullable(),
  before: z.string().nullable(),
  forced: z.array(z.string()),
  actor: z.string(),
  reason: z.string(),
  at: z.number(),
});

export const phpProfileSchema = z.object({
  profile: z.string(),
  /** Of INDEX; 0 before the first tree. */
  serial: z.number(),
  channels: z.record(z.string(), z.string()),
  trees: z.array(phpTreeViewSchema),
  /** What was done, newest first. */
  deeds: z.array(phpDeedSchema),
});
export type PhpProfileView = z.infer<typeof phpProfileSchema>;
