import { z } from 'zod';
import { executorSchema, hardwareProfileSchema } from '../gentoo/profile.ts';
import { recipeSchema } from '../gentoo/recipe.ts';
import { sha512Schema } from './common.ts';

export { portagePlanSchema } from '../gentoo/portage-plan.ts';

/**
 * The agent's side of the API, all under `/api/agent`, role `builder`:
 *
 *     POST /register                                   agentDescriptionSchema -> registrationSchema
 *     POST /lease                                      leaseQuerySchema -> 200 leaseSchema | 204 nothing to do
 *     POST /jobs/:job/heartbeat?agent=&attempt=        -> heartbeatReplySchema
 *     POST /jobs/:job/log?agent=&attempt=&offset=      bytes -> logReplySchema
 *     GET  /jobs/:job/source?agent=&attempt=           -> tar (gzip) of the source folder
 *     POST /jobs/:job/plan?agent=&attempt=             portagePlanSchema -> 204
 *     PUT  /jobs/:job/package?agent=&attempt=&sha512=  bytes -> packageViewSchema
 *     POST /jobs/:job/result?agent=&attempt=           resultSchema -> 204
 *
 * A call with an attempt that is no longer the job's is answered 409 `stale-attempt`: the agent drops the work.
 */
export const agentDescriptionSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  chost: z.string().max(200),
  cpuFlags: z.array(z.string().max(64)).max(1000),
  cores: z.number().int().min(1),
  memoryBytes: z.number().int().min(0),
  portageVersion: z.string().max(100).nullable(),
  executors: z.array(executorSchema),
});
export type AgentDescriptionMessage = z.infer<typeof agentDescriptionSchema>;

export const registrationSchema = z.object({
  agent: z.string(),
  heartbeatMs: z.number().int(),
  /** The key that packages are signed with, armored. */
  publicKey: z.string(),
});
export type Registration = z.infer<typeof registrationSchema>;

export const leaseQuerySchema = z.strictObject({
  agent: z.string(),
  waitMs: z.number().int().min(0).max(60_000),
});

export const leaseSchema = z.object({
  jobId: z.string(),
  requestId: z.string(),
  attempt: z.number().int(),
  expiresAt: z.number(),
  profile: hardwareProfileSchema,
  /** URL path of a binhost with everything that the job may install as a binary, such as `/staging/x/`. */
  stagingPath: z.string(),
  /** The keys that packages are signed with now, armored; absent in the answer of an older server. */
  publicKey: z.string().optional(),
  work: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('plan'), atoms: z.array(z.string()), rebuild: z.boolean() }),
    z.object({ kind: z.literal('portage-package'), cpv: z.string(), repo: z.string() }),
    z.object({
      kind: z.literal('source-package'),
      recipe: recipeSchema,
      sourceSha512: sha512Schema.nullable(),
      inputs: z.string(),
    }),
  ]),
});
export type LeaseMessage = z.infer<typeof leaseSchema>;

export const attemptQuerySchema = z.object({
  agent: z.string(),
  attempt: z.coerce.number().int().min(1),
});

export const heartbeatReplySchema = z.object({ command: z.enum(['go-on', 'cancel']) });
export const logReplySchema = z.object({ size: z.number().int() });

export const resultSchema = z.strictObject({
  outcome: z.enum(['succeeded', 'failed', 'cancelled']),
  code: z.string().max(100).optional(),
  reason: z.string().max(10_000).optional(),
});
export type ResultMessage = z.infer<typeof resultSchema>;

export const agentViewSchema = agentDescriptionSchema.extend({
  registeredAt: z.number(),
  lastSeenAt: z.number(),
  isLive: z.boolean(),
  jobIds: z.array(z.string()),
});
export type AgentView = z.infer<typeof agentViewSchema>;

/** `GET /api/agents` answers with every agent that has registered. */
export const agentListSchema = z.object({ agents: z.array(agentViewSchema) });
