import * as z from 'zod';
import { planProblemSchema } from './plan-problem.ts';

/** Attributes of Portage's dependency priorities (`_emerge/DepPriority.py`, `UnmergeDepPriority.py`). */
export const EDGE_KINDS = [
  'buildtime',
  'buildtime_slot_op',
  'installtime',
  'runtime',
  'runtime_slot_op',
  'runtime_post',
  'optional',
] as const;

/**
 * What Portage's resolver answered for the atoms of a request, as data. `packages` holds what would be merged, in
 * order, and what is installed already and needed at run time; `edges` say that `from` needs `to`.
 */
export const portagePlanSchema = z.object({
  ok: z.boolean(),
  portage: z.string().max(100),
  chost: z.string().max(200),
  packages: z
    .array(
      z.object({
        id: z.string().max(500),
        type: z.enum(['ebuild', 'binary', 'installed']),
        cpv: z.string().max(300),
        slot: z.string().max(100),
        repo: z.string().max(100),
        use: z.array(z.string().max(200)).max(2000),
        buildId: z.number().int().nullable(),
        buildTime: z.number().int().nullable(),
        /** Whether one of the request's own atoms asked for it. */
        requested: z.boolean(),
        /**
         * Digest over the bytes of its ebuild, of the Manifest beside it and of its eclasses; of what is built, those
         * that would build it now.
         */
        source: z.string().max(200).nullable().optional(),
        /** Of an ebuild: what it will be built with, installed packages too. */
        builtWith: z
          .array(
            z.object({
              cpv: z.string().max(300),
              /** Without the sub-slot. */
              slot: z.string().max(100),
              /** It is installed, and there is a binary of the same version that was built at another time. */
              isOutdated: z.boolean(),
            }),
          )
          .max(10_000)
          .optional(),
      }),
    )
    .max(50_000),
  edges: z
    .array(
      z.object({
        from: z.string().max(500),
        to: z.string().max(500),
        kinds: z.array(z.enum(EDGE_KINDS)),
        /** What is installed does for `from` to be built, in the build root of the plan. */
        satisfied: z.boolean().optional(),
      }),
    )
    .max(1_000_000),
  /** What stands in the way when `ok` is false. */
  problems: z.array(planProblemSchema).max(1000),
});
export type PortagePlan = z.infer<typeof portagePlanSchema>;
