import * as z from 'zod';
import { buildLimitsSchema, NO_LIMITS } from '../gentoo/build-limits.ts';
import { COMPILE_HOST } from '../gentoo/compile-sharing.ts';
import { executorSchema, hardwareProfileSchema } from '../gentoo/profile.ts';
import { recipeSchema } from '../gentoo/recipe.ts';
import { LABEL } from '../gentoo/requirements.ts';
import { RESOLVE_OPTIONS } from '../gentoo/resolve-options.ts';
import { nameSchema, sha512Schema } from './common.ts';

export { portagePlanSchema } from '../gentoo/portage-plan.ts';

/**
 * The agent's side of the API, all under `/api/agent`, role `builder`:
 *
 *     POST /register                                   agentDescriptionSchema -> registrationSchema
 *     POST /lease                                      leaseQuerySchema -> 200 leaseReplySchema | 204 nothing to do
 *     POST /jobs/:job/heartbeat?agent=&attempt=&wait=  -> heartbeatReplySchema, at once when there is something
 *                                                  to tell, or else after `wait` milliseconds
 *     POST /jobs/:job/log?agent=&attempt=&offset=      bytes -> logReplySchema
 *     GET  /jobs/:job/source?agent=&attempt=           -> tar (gzip) of the source folder
 *     POST /jobs/:job/plan?agent=&attempt=             portagePlanSchema -> planReplySchema
 *     PUT  /jobs/:job/package?agent=&attempt=&sha512=  bytes -> packageViewSchema
 *     PUT  /jobs/:job/tree?agent=&attempt=&sha512=     a tar as of `protocol/php.ts` -> treeReplySchema
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
  /** Where other agents reach its distccd, and how many files that compiles at once; null when it has none. */
  distccd: z
    .strictObject({
      host: z.string().regex(COMPILE_HOST),
      port: z.number().int().min(1).max(65_535),
      jobs: z.number().int().min(1).max(1024),
    })
    .nullable()
    .default(null),
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

/** An agent of the same toolchain: the address of its distccd, and how many files that compiles at once. */
export const compileHostSchema = z.object({
  agent: z.string(),
  host: z.string().regex(COMPILE_HOST),
  port: z.number().int().min(1).max(65_535),
  jobs: z.number().int().min(1).max(1024),
});
export type CompileHost = z.infer<typeof compileHostSchema>;

export const leaseSchema = z.object({
  jobId: z.string(),
  requestId: z.string(),
  attempt: z.number().int(),
  expiresAt: z.number(),
  profile: hardwareProfileSchema,
  /** URL path of a binhost with everything that the job may install as a binary, such as `/staging/x/`. */
  stagingPath: z.string(),
  /** What the attempt may take; the agent ends a build that takes more. An older server says nothing. */
  limits: buildLimitsSchema.default(NO_LIMITS),
  /** The keys that packages are signed with now, armored; absent in the answer of an older server. */
  publicKey: z.string().optional(),
  /** Other agents that compile for this job, for distcc; absent when its profile does not want that. */
  compileHosts: z.array(compileHostSchema).optional(),
  /** URL path of the profile's shared ccache, such as `/ccache/x/`; absent when its profile has none. */
  ccachePath: z.string().optional(),
  work: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('plan'),
      atoms: z.array(z.string()),
      rebuild: z.boolean(),
      /** Those of the atoms that are built again whatever there is; an older server says nothing. */
      anew: z.array(z.string()).default([]),
      /** An older server says nothing. */
      resolve: z.array(z.enum(RESOLVE_OPTIONS)).default([]),
      /** The ebuild trees are synced before the plan is made; an older server says nothing. */
      sync: z.boolean().default(false),
    }),
    z.object({
      kind: z.literal('portage-package'),
      cpv: z.string(),
      repo: z.string(),
      /** The ebuild trees are synced when Portage finds no way to build it. */
      sync: z.boolean().exactOptional(),
    }),
    z.object({
      kind: z.literal('source-package'),
      recipe: recipeSchema,
      sourceSha512: sha512Schema.nullable(),
      inputs: z.string(),
      /** It becomes the PHP tree of this id and version of PHP, and no package. */
      tree: z.object({ id: z.string(), php: z.string() }).optional(),
    }),
  ]),
});
export type LeaseMessage = z.infer<typeof leaseSchema>;

/** There is nothing for this agent, whatever there is to do. */
export const idleSchema = z.object({
  idle: z.object({ state: z.enum(['drained', 'taken-out']), reason: z.string() }),
});
export type IdleMessage = z.infer<typeof idleSchema>;
export const leaseReplySchema = z.union([leaseSchema, idleSchema]);

export const treeReplySchema = z.object({ tree: z.string() });

/** `category/pn:slot` of what is to be planned anew from ebuilds: what there is of it may have changed. */
export const planReplySchema = z.object({ rebuild: z.array(z.string().max(500)).max(50_000) });

export const attemptQuerySchema = z.object({
  agent: z.string(),
  attempt: z.coerce.number().int().min(1),
});

export const heartbeatQuerySchema = attemptQuerySchema.extend({
  wait: z.coerce.number().int().min(0).max(60_000).default(0),
});
export const heartbeatReplySchema = z.object({ command: z.enum(['go-on', 'cancel']) });
export const logReplySchema = z.object({
  size: z.number().int(),
  /** Somebody looks on, so that what comes next should come soon. An older server does not say. */
  isFollowed: z.boolean().default(true),
});
export type LogReply = z.infer<typeof logReplySchema>;

export const resultSchema = z.strictObject({
  outcome: z.enum(['succeeded', 'failed', 'cancelled']),
  code: z.string().max(100).optional(),
  reason: z.string().max(10_000).optional(),
  /** What a successful build took. */
  measured: z
    .strictObject({
      silenceMs: z.number().int().min(0),
      logBytes: z.number().int().min(0),
      diskBytes: z.number().int().min(0),
    })
    .optional(),
});
export type ResultMessage = z.infer<typeof resultSchema>;

export const agentViewSchema = agentDescriptionSchema.extend({
  registeredAt: z.number(),
  lastSeenAt: z.number(),
  isLive: z.boolean(),
  /** `drained` by an administrator, `taken-out` by the circuit breaker: it gets no new jobs. */
  state: z.enum(['active', 'drained', 'taken-out']),
  stateReason: z.string().nullable(),
  stateSince: z.number().nullable(),
  /** When one that was taken out gets a job on trial. */
  trialAt: z.number().nullable(),
  jobIds: z.array(z.string()),
});
export type AgentView = z.infer<typeof agentViewSchema>;

/** `GET /api/agents` answers with every agent that has registered. */
export const agentListSchema = z.object({ agents: z.array(agentViewSchema) });
