import * as z from 'zod';
import { publicationNameSchema } from './difference.ts';

/**
 *     GET  /api/profiles/:profile/channels/:channel/check?contents=<contents>   checkQuerySchema -> gateViewSchema
 *
 * What the gate would say to these contents on a channel: `newest` is what publishing would bring, `<channel>` or
 * `<channel>@<serial>` what promoting it would; without, what the channel shows now.
 */
export const checkQuerySchema = z.object({
  contents: z.union([z.literal('newest'), publicationNameSchema]).optional(),
});

export const findingSchema = z.object({
  /** What `allow` takes. */
  id: z.string(),
  kind: z.string(),
  /** Empty for what concerns everything. */
  cpv: z.string(),
  message: z.string(),
  /** What would mend it. */
  remedy: z.string(),
  /** `category/pn:slot` of what has to be rebuilt. */
  rebuild: z.string().nullable(),
  verdict: z.enum(['refused', 'allowed', 'warning']),
  allowance: z.object({ author: z.string(), reason: z.string(), createdAt: z.number() }).nullable(),
});
export type FindingView = z.infer<typeof findingSchema>;

export const gateViewSchema = z.object({
  findings: z.array(findingSchema),
  /** `category/pn:slot` of everything that has to be rebuilt. */
  rebuild: z.array(z.string()),
});
export type GateView = z.infer<typeof gateViewSchema>;
