import * as z from 'zod';

/** A publication that was refused, as the journal has it. */
export const refusalViewSchema = z.object({
  /** Its number in the journal. */
  seq: z.number(),
  at: z.number(),
  actor: z.string(),
  reason: z.string(),
  act: z.enum(['publish', 'promote', 'rollback']),
  code: z.string(),
  message: z.string(),
  /** The first of them. */
  findings: z.array(
    z.object({
      /** What `allow` takes. */
      id: z.string(),
      kind: z.string(),
      /** Empty for what concerns everything. */
      cpv: z.string(),
      message: z.string(),
      /** What would mend it. */
      remedy: z.string(),
      rebuild: z.string().nullable(),
    }),
  ),
  findingCount: z.number(),
  /** `category/pn:slot` of everything that has to be rebuilt. */
  rebuild: z.array(z.string()),
  /** What the proof lacked, sentences. */
  missing: z.array(z.string()),
});
export type RefusalView = z.infer<typeof refusalViewSchema>;
