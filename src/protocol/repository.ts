import * as z from 'zod';

/**
 *     GET    /api/repository/check                      -> checkAnswerSchema: the one under way, or the last
 *     POST   /api/repository/check                      checkBodySchema -> 202 checkViewSchema          (admin)
 *     DELETE /api/repository/check                      -> checkViewSchema: it is cancelled             (admin)
 *     GET    /api/repository/check/events               server-sent events: checkViewSchema, then `event: end`
 *     GET    /api/profiles/:profile/damaged             -> damagedListSchema
 */
export const checkBodySchema = z.strictObject({
  /** Read the bytes of every file that is due; without it only names, sizes and times are looked at. */
  deep: z.boolean().default(false),
  /** Every file is due. */
  all: z.boolean().default(false),
  /** A file is due when it was found good longer ago than this. */
  maxAgeDays: z.number().int().min(0).max(3650).default(30),
});

export const checkFindingSchema = z.object({
  code: z.string(),
  subject: z.string(),
  message: z.string(),
  outcome: z.enum(['restored', 'repaired', 'damaged', 'reported']),
});
export type CheckFindingView = z.infer<typeof checkFindingSchema>;

export const checkViewSchema = z.object({
  state: z.enum(['running', 'done', 'cancelled', 'failed']),
  deep: z.boolean(),
  all: z.boolean(),
  maxAgeDays: z.number(),
  /** Who started it: `token:<name>`. */
  actor: z.string(),
  startedAt: z.number(),
  finishedAt: z.number().nullable(),
  progress: z
    .object({
      stage: z.enum(['packages', 'publications', 'unknown-files', 'bytes']),
      /** Packages, publications, folders, or bytes. */
      done: z.number(),
      total: z.number(),
      /** What is left of this stage, at the pace so far; null when there is no telling. */
      remainingMs: z.number().nullable(),
    })
    .nullable(),
  /** How many so far. */
  findings: z.number(),
  /** Once it is done. */
  report: z
    .object({
      packages: z.number(),
      publications: z.number(),
      filesRead: z.number(),
      bytesRead: z.number(),
      /** How many findings there are by code, also of those that are not listed. */
      counts: z.record(z.string(), z.number()),
      findings: z.array(checkFindingSchema),
    })
    .nullable(),
  /** Why it failed. */
  error: z.string().nullable(),
});
export type CheckView = z.infer<typeof checkViewSchema>;

/** `check` is null when there was none since the server started; the journal has the earlier ones. */
export const checkAnswerSchema = z.object({ check: checkViewSchema.nullable() });

export const damagedListSchema = z.object({
  packages: z.array(
    z.object({
      id: z.string(),
      cpv: z.string(),
      path: z.string(),
      /** A sentence. */
      reason: z.string(),
      /** Milliseconds since the epoch. */
      since: z.number(),
    }),
  ),
});
