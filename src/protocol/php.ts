import * as z from 'zod';
import { nameSchema } from './common.ts';

/**
 *     GET    /api/profiles/:profile/php                               -> phpProfileSchema
 *     GET    /api/profiles/:profile/php/trees/:tree                   -> phpTreeDetailSchema
 *     DELETE /api/profiles/:profile/php/trees/:tree                   phpRemoveBodySchema -> phpProfileSchema           (admin)
 *     GET    /api/profiles/:profile/php/diff?from=&to=                -> phpDifferenceSchema
 *     POST   /api/profiles/:profile/php/collect                       phpCollectBodySchema -> phpCollectionSchema       (admin)
 *     POST   /api/profiles/:profile/php/channels/:channel/promote     phpPromoteBodySchema -> phpProfileSchema          (admin)
 *     POST   /api/profiles/:profile/php/channels/:channel/rollback    phpRollbackBodySchema -> phpProfileSchema         (admin)
 *     PUT    /api/profiles/:profile/php?sha512=&channel=              a tar -> 201 (or 200: had it) phpImportedSchema   (admin)
 *
 *     POST   /api/profiles/:profile/php/builds?sha512=&build=&channel= a tar -> 201 requestViewSchema                   (admin)
 *
 * `build` is `PhpBuild` of `gentoo/php-build.ts` as JSON; its tar has the sources as `image/php` and `image/extension-<name>`.
 * An upload is a tar of `image/facts.json` (what `src/php/tree-meta.ts` calls facts) and the folder `image/tree`.
 */
export const phpImportQuerySchema = z.object({
  sha512: z.string().regex(/^[0-9a-f]{128}$/),
  /** A channel that shows the tree at once. */
  channel: nameSchema.optional(),
});

export const phpBuildQuerySchema = phpImportQuerySchema.extend({ build: z.string().max(12_000) });

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

/** A line of MANIFEST. */
export const phpEntrySchema = z.object({
  path: z.string(),
  type: z.enum(['directory', 'file', 'link']),
  /** Permission bits; null for a link. */
  mode: z.number().nullable(),
  bytes: z.number().nullable(),
  sha256: z.string().nullable(),
  target: z.string().nullable(),
});
export type PhpEntryView = z.infer<typeof phpEntrySchema>;

export const phpTreeDetailSchema = phpTreeViewSchema.extend({ entries: z.array(phpEntrySchema) });

const gained = z.object({ added: z.array(z.string()), removed: z.array(z.string()) });
export const phpDifferenceSchema = z.object({
  from: phpTreeViewSchema,
  to: phpTreeViewSchema,
  added: z.array(phpEntrySchema),
  removed: z.array(phpEntrySchema),
  changed: z.array(z.object({ before: phpEntrySchema, after: phpEntrySchema })),
  /** Bytes of the files that a node with `from` does not have yet. */
  newBytes: z.number(),
  extensions: gained,
  /** Words of REQUIRES, each with its category: `x86_64: libssl.so.3`. */
  requires: gained,
  glibc: z.object({ before: z.string().nullable(), after: z.string().nullable() }),
});
export type PhpDifferenceView = z.infer<typeof phpDifferenceSchema>;

export const phpCollectBodySchema = z.strictObject({ dryRun: z.boolean().default(false) });
export const phpCollectionSchema = z.object({
  trees: z.array(
    z.object({
      id: z.string(),
      bytes: z.number(),
      /** What keeps it; empty: it goes, or is gone. */
      keep: z.array(z.string()),
    }),
  ),
});
