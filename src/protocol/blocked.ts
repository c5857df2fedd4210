import * as z from 'zod';
import { nameSchema } from './common.ts';

/**
 *     GET  /api/blocked?profile=   -> blockedListSchema
 *     POST /api/blocked/unblock    unblockBodySchema -> blockedListSchema of what was unblocked   (admin)
 */
export const blockedViewSchema = z.object({
  profile: z.string(),
  cpv: z.string(),
  /** The job whose attempts failed: `GET /api/jobs/:id` has them, each with the path of its log. */
  jobId: z.string(),
  reason: z.string(),
  blockedAt: z.number(),
});
export type BlockedView = z.infer<typeof blockedViewSchema>;

export const blockedListSchema = z.object({ blocked: z.array(blockedViewSchema) });

export const unblockBodySchema = z.strictObject({
  profile: nameSchema,
  /** `category/pn`, or CPVs; all of the profile when there is none. */
  packages: z.array(z.string().min(1).max(300)).max(10_000),
});
