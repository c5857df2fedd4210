import * as z from 'zod';

/**
 *     GET  /api/keys                       -> keyListSchema
 *     POST /api/keys/rotate                rotateBodySchema -> 201 keyListSchema                  (admin)
 *     POST /api/keys/extend                extendBodySchema -> keyListSchema                      (admin)
 *     POST /api/keys/:fingerprint/revoke   revokeBodySchema -> keyListSchema                      (admin)
 *     POST /api/keys/resign                resignBodySchema -> 202 resignAnswerSchema             (admin)
 *     GET  /api/keys/resign                -> resignAnswerSchema: the one under way, or the last
 *     GET  /api/keys/resign/events         server-sent events: resignViewSchema, then `event: end`
 */
const reason = z.string().max(2000).default('');
const MAX_DAYS = 36_500;

export const rotateBodySchema = z.strictObject({
  /** A signing subkey of the present primary key, or a primary key of its own. */
  kind: z.enum(['subkey', 'primary']).default('subkey'),
  /** Fingerprint of a key in the gpg home of `[signing] gpg-home`; then `kind` says nothing. */
  gpgKey: z.string().max(100).optional(),
  /** Days between the publication of the new key and its first signature. */
  overlapDays: z.number().min(0).max(MAX_DAYS).default(14),
  /** Let the new key, or the one that waits already, sign at once. */
  now: z.boolean().default(false),
  /** Once it signs, sign again what others have signed and a channel shows. */
  resign: z.boolean().default(false),
  reason,
});
export type RotateBody = z.input<typeof rotateBodySchema>;

export const extendBodySchema = z.strictObject({
  /** From now on. */
  days: z.number().int().min(1).max(MAX_DAYS),
  reason,
});
export type ExtendBody = z.input<typeof extendBodySchema>;

export const revokeBodySchema = z.strictObject({
  cause: z.enum(['compromised', 'superseded', 'retired']),
  reason,
});
export type RevokeBody = z.input<typeof revokeBodySchema>;

export const resignBodySchema = z.strictObject({ reason });

/** Times are milliseconds since the epoch. */
export const keyViewSchema = z.object({
  fingerprint: z.string(),
  /** Of the primary key, which nodes trust. */
  primaryFingerprint: z.string(),
  state: z.enum(['next', 'current', 'previous', 'revoked']),
  source: z.enum(['file', 'gpg']),
  addedAt: z.number(),
  publishedAt: z.number().nullable(),
  takesOverAt: z.number().nullable(),
  expiresAt: z.number().nullable(),
});
export type KeyMessage = z.infer<typeof keyViewSchema>;

export const keyListSchema = z.object({
  keys: z.array(keyViewSchema),
  /** Keys that end within sixty days, a sentence each. */
  warnings: z.array(z.string()),
});
export type KeyList = z.infer<typeof keyListSchema>;

export const resignViewSchema = z.object({
  id: z.string(),
  state: z.enum(['running', 'done', 'failed', 'stopped']),
  fingerprint: z.string(),
  startedAt: z.number(),
  finishedAt: z.number().nullable(),
  /** Packages. */
  done: z.number(),
  total: z.number(),
  /** Packages that stay as they are, and why. */
  skipped: z.array(z.object({ id: z.string(), reason: z.string() })),
  /** Channels that stay as they are because the gate refuses them, a sentence each. */
  refused: z.array(z.string()),
  remainingMs: z.number().nullable(),
  error: z.string().nullable(),
});
export type ResignView = z.infer<typeof resignViewSchema>;

/** `resign` is null when there was none since the server started. */
export const resignAnswerSchema = z.object({ resign: resignViewSchema.nullable() });
