import * as z from 'zod';

/**
 *     GET    /api/tokens          -> tokenListSchema                        (admin)
 *     POST   /api/tokens          tokenBodySchema -> 201 newTokenSchema     (admin)
 *     POST   /api/tokens/:name/rotate -> newTokenSchema                     (admin)
 *     DELETE /api/tokens/:name    -> 204                                    (admin)
 */
export const tokenBodySchema = z.strictObject({
  name: z.string(),
  role: z.enum(['admin', 'builder', 'node']),
});
export const newTokenSchema = z.object({ name: z.string(), role: z.string(), token: z.string() });
export const tokenListSchema = z.object({
  tokens: z.array(
    z.object({
      name: z.string(),
      role: z.string(),
      createdAt: z.number(),
      revokedAt: z.number().nullable(),
    }),
  ),
});
