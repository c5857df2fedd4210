import * as z from 'zod';
import { planFixSchema, planProblemSchema } from '../gentoo/plan-problem.ts';
import { RESOLVE_OPTIONS } from '../gentoo/resolve-options.ts';
import { failureViewSchema, progressViewSchema } from './build-records.ts';
import { nameSchema } from './common.ts';
import { whySchema } from './why.ts';

/**
 *     POST /api/requests                    requestBodySchema -> 201 requestViewSchema            (admin)
 *     GET  /api/requests?profile=&limit=    -> requestListSchema
 *     GET  /api/requests/:id                -> requestDetailSchema
 *     GET  /api/requests/:id/events         server-sent events: `data:` is a requestDetailSchema at each change,
 *                                           event `end` after the last
 *     POST /api/requests/:id/cancel         -> requestViewSchema                                  (admin)
 *     POST /api/requests/:id/publish        publishRequestBodySchema -> requestViewSchema         (admin)
 *     POST /api/requests/:id/pause          pauseBodySchema -> requestViewSchema                  (admin)
 *     POST /api/requests/:id/resume         -> requestViewSchema                                  (admin)
 *     POST /api/requests/:id/priority       priorityBodySchema -> requestViewSchema               (admin)
 *     GET  /api/pauses                      -> pauseListSchema
 *     POST /api/profiles/:profile/pause     pauseBodySchema -> profilePauseSchema                 (admin)
 *     POST /api/profiles/:profile/resume    -> 204                                                (admin)
 *     POST /api/agents/:agent/drain         pauseBodySchema -> agentViewSchema                    (admin)
 *     POST /api/agents/:agent/resume        -> agentViewSchema                                    (admin)
 *     GET  /api/jobs/:id                    -> jobDetailSchema
 *     GET  /api/jobs/:id/log?attempt=&offset=&follow=1   text/plain; with `follow` it stays open until the end
 */
export const requestBodySchema = z.strictObject({
  profile: nameSchema,
  /** May be empty only with `rebuildFor`. */
  atoms: z.array(z.string().min(1).max(500)).max(10_000),
  publish: nameSchema.optional(),
  /** When not everything can be published, what breaks nothing is; needs `publish`. */
  partial: z.boolean().default(false),
  rebuild: z.boolean().default(false),
  /** With these options of emerge; only where the profile builds with Portage. */
  resolve: z.array(z.enum(RESOLVE_OPTIONS)).max(10).default([]),
  /** Packages that are blocked are tried again. */
  retry: z.boolean().default(false),
  /** Publishes on a later channel also without the proof that a promotion would need; needs a reason. */
  force: z.boolean().default(false),
  /** Why; it stands with the publication and in the journal. */
  reason: z.string().max(2000).default(''),
  /** Also what the gate of this channel would want rebuilt of the newest packages. */
  rebuildFor: nameSchema.optional(),
  /** Each step counts as much as having been asked for a day earlier. */
  priority: z.number().int().min(-10).max(10).default(0),
});

/** Publishes a request that has ended. */
export const publishRequestBodySchema = z.strictObject({
  /** What breaks nothing, when not everything can be published. */
  partial: z.boolean().default(false),
  /** The one that it was to be published on when it is not given. */
  channel: nameSchema.optional(),
  force: z.boolean().default(false),
  reason: z.string().max(2000).optional(),
});

export const pauseBodySchema = z.strictObject({ reason: z.string().min(1).max(1000) });
export const priorityBodySchema = z.strictObject({ priority: z.number().int().min(-10).max(10) });

/** A profile for which no job is handed out. */
export const profilePauseSchema = z.object({
  profile: z.string(),
  by: z.string(),
  reason: z.string(),
  pausedAt: z.number(),
});
export const pauseListSchema = z.object({ pauses: z.array(profilePauseSchema) });

export const requestViewSchema = z.object({
  id: z.string(),
  profile: z.string(),
  atoms: z.array(z.string()),
  rebuild: z.boolean(),
  resolve: z.array(z.enum(RESOLVE_OPTIONS)).default([]),
  publish: z.string().nullable(),
  /** When not everything can be published, what breaks nothing is. */
  partial: z.boolean(),
  /** `partial`: only a part of it is published. */
  state: z.enum(['planning', 'building', 'publishing', 'done', 'partial', 'failed', 'cancelled']),
  reason: z.string().nullable(),
  author: z.string(),
  createdAt: z.number(),
  finishedAt: z.number().nullable(),
  priority: z.number(),
  /** None of its jobs is handed out. */
  paused: z.object({ by: z.string(), reason: z.string(), pausedAt: z.number() }).nullable(),
});
export type RequestView = z.infer<typeof requestViewSchema>;

export const jobViewSchema = z.object({
  id: z.string(),
  requestId: z.string(),
  kind: z.enum(['plan', 'package']),
  position: z.number(),
  name: z.string(),
  executor: z.enum(['portage', 'source']),
  state: z.enum(['waiting', 'ready', 'leased', 'succeeded', 'failed', 'skipped', 'cancelled']),
  /** Why it is built although the plan did not come to it; a sentence. */
  because: z.string().nullable(),
  reason: z.string().nullable(),
  attempt: z.number(),
  agent: z.string().nullable(),
  createdAt: z.number(),
  startedAt: z.number().nullable(),
  finishedAt: z.number().nullable(),
  packageId: z.string().nullable(),
  needs: z.array(z.string()),
  /** Why it stands where it stands, as data and as what follows its name in a sentence. */
  why: whySchema,
  whySentence: z.string(),
  /** How far it is while an agent builds it. */
  progress: progressViewSchema.nullable(),
  /** When it is expected to end; null when that is over, or nobody can tell. */
  expectedAt: z.number().nullable(),
  /** What the log of the last attempt that failed names as the first error. */
  failure: failureViewSchema.nullable(),
});
export type JobView = z.infer<typeof jobViewSchema>;

export const attemptViewSchema = z.object({
  attempt: z.number(),
  agent: z.string(),
  startedAt: z.number(),
  finishedAt: z.number().nullable(),
  /** `succeeded`, `failed`, `cancelled`, `vanished`, `overdue`, `undelivered`, `unstaged`; null while it goes on. */
  outcome: z.string().nullable(),
  /** Whose fault it is that it gave nothing. */
  fault: z.enum(['package', 'machine']).nullable(),
  code: z.string().nullable(),
  reason: z.string().nullable(),
  /** URL path. */
  log: z.string(),
});
export const jobDetailSchema = jobViewSchema.extend({ attempts: z.array(attemptViewSchema) });

/** Why Portage found no way to build what was asked for. */
export const planProblemViewSchema = z.object({
  /** `masked`, `use-change`, `required-use`, `blocker`, `slot-conflict`, `cycle` and others; `said` of an old agent. */
  code: z.string(),
  sentence: z.string(),
  /** Lines for files of the profile's folder `portage/`. */
  lines: z.array(planFixSchema),
  /** Whether one of the lines is enough, or all are needed. */
  enough: z.enum(['all', 'one']),
  /** What else would help. */
  advice: z.string().nullable(),
  /** As the resolver knows it. */
  data: planProblemSchema,
});
export type PlanProblemView = z.infer<typeof planProblemViewSchema>;

export const requestDetailSchema = requestViewSchema.extend({
  jobs: z.array(jobViewSchema),
  packages: z.array(
    z.object({
      id: z.string(),
      cpv: z.string(),
      buildId: z.number(),
      how: z.enum(['built', 'reused']),
      /** Why it was not published with the others; a sentence. */
      leftOut: z.string().nullable(),
    }),
  ),
  /** Why no plan could be made; empty when it did not fail of that. An older server says nothing. */
  problems: z.array(planProblemViewSchema).default([]),
  publication: z.object({ channel: z.string(), serial: z.number() }).nullable(),
  /** When its last job is expected to end. */
  expectedAt: z.number().nullable(),
});
export type RequestDetail = z.infer<typeof requestDetailSchema>;

export const requestListSchema = z.object({ requests: z.array(requestViewSchema) });
