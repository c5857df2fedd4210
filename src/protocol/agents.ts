import { z } from 'zod';
import { executorSchema, hardwareProfileSchema } from '../gentoo/profile.ts';
import { recipeSchema } from '../gentoo/recipe.ts';
import { LABEL } from '../gentoo/requirements.ts';
import { nameSchema, sha512Schema } from './common.ts';

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
  /** Name and version of its C compiler, `gcc-14.2.1`; null when it does not say. */
  compiler: z.string().max(100).nullable().default(null),
  /** Free where it builds, in bytes; null when it does not say. */
  diskFreeBytes: z.number().int().min(0).nullable().default(null),
  labels: z.array(z.string().regex(LABEL)).max(100).default([]),
  /** The only profiles that it serves; empty means all. */
  profiles: z.array(nameSchema).max(1000).default([]),
  /** Jobs that it does at once. */
  slots: z.number().int().min(1).max(1000).default(1),
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
  /** Free where it builds now, in bytes. */
  diskFreeBytes: z.number().int().min(0).optional(),
});

export const leaseSchema = z.object({
  jobId: z.string(),
  requestId: z.string(),
  attempt: z.number().int(),
  expiresAt: z.number(),
  profile: hardwareProfileSchema,
  /** URL path of a binhost with everything that the job may install as a binary, such as `/staging/x/`. */
  stagingPath: z.string(),
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
  /** `drained` and `taken-out` ones get no new jobs. */
  state: z.enum(['active', 'drained', 'taken-out']),
  stateReason: z.string().nullable(),
});
export type AgentView = z.infer<typeof agentViewSchema>;

/** `GET /api/agents` answers with every agent that has registered. */
export const agentListSchema = z.object({ agents: z.array(agentViewSchema) });
