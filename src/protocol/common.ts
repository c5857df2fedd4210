import * as z from 'zod';

export { nameSchema } from '../gentoo/profile.ts';

export const sha512Schema = z.string().regex(/^[0-9a-f]{128}$/);

/** The body of every refusal (RFC 9457), content type `application/problem+json`. */
export const problemSchema = z.object({
  code: z.string(),
  title: z.string(),
  status: z.number().int(),
  requestId: z.string(),
  details: z.record(z.string(), z.unknown()).optional(),
});
export type Problem = z.infer<typeof problemSchema>;

export const pageQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  offset: z.coerce.number().int().min(0).default(0),
});
