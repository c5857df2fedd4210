import * as z from 'zod';
import { planOutlineSchema, policyChangesSchema } from './rollout-plans.ts';

/**
 *     POST /api/rollouts                        rolloutRequestSchema -> 201 (200 when dry) rolloutDetailSchema   (admin)
 *     GET  /api/rollouts                        -> rolloutListSchema
 *     GET  /api/rollouts/planning               -> planningListSchema
 *     GET  /api/rollouts/:id                    -> rolloutDetailSchema
 *     GET  /api/rollouts/:id/plan               -> wholePlanSchema
 *     GET  /api/rollouts/:id/export/ansible     -> ansibleFilesSchema
 *     GET  /api/rollouts/:id/why                -> whyListSchema
 *     GET  /api/rollouts/:id/events?after=      -> text/event-stream
 *     POST /api/rollouts/:id/approve            approveBodySchema -> rolloutSummarySchema                       (admin)
 *     POST /api/rollouts/:id/start              -> rolloutSummarySchema                                         (admin)
 *     POST /api/rollouts/:id/pause              rolloutReasonSchema -> rolloutSummarySchema                     (admin)
 *     POST /api/rollouts/:id/resume             -> rolloutSummarySchema                                         (admin)
 *     POST /api/rollouts/:id/abort              rolloutReasonSchema -> rolloutSummarySchema                     (admin)
 *     POST /api/rollouts/:id/rollback           rolloutReasonSchema -> 201 rolloutDetailSchema                  (admin)
 *     GET  /api/fleet/held                      -> heldListSchema
 *     POST /api/fleet/nodes/:node/release       nodeReleaseSchema -> 204                                        (admin)
 *
 * `:id` may be the beginning of an id when no other rollout's begins with it. Times are in milliseconds since the epoch.
 *
 * The stream tells `progress` (progressSchema; the first one has every unit, the others those that have changed), `log` (an
 * event of the journal, its number as `id`) and `end`. A client that comes back says the last number that it has
 * (Last-Event-ID, or `after`) and misses none; without, the log begins with what happens from now on.
 */
export const rolloutKindSchema = z.enum(['os-online', 'os-disruptive', 'php', 'app']);

const names = z.array(z.string().min(1).max(200)).max(10_000).default([]);
const reason = z.string().min(1).max(1000);

export const rolloutRequestSchema = z.strictObject({
  /** `os`: whatever of the two the impact asks for. */
  kind: z.enum(['os', ...rolloutKindSchema.options]),
  /** Publications, `<profile>/<channel>[@<serial>]`; a PHP tree's version or id; a release. */
  targets: z.array(z.string().min(1).max(300)).min(1).max(100),
  scope: z
    .strictObject({ sites: names, farms: names, nodes: names })
    .default({ sites: [], farms: [], nodes: [] }),
  policy: policyChangesSchema.default({}),
  reason,
  /** Plans, and keeps nothing. */
  dryRun: z.boolean().default(false),
});
export type RolloutRequestBody = z.input<typeof rolloutRequestSchema>;

export const rolloutReasonSchema = z.strictObject({ reason });
/** `force`: without a look at the node, which is what the journal says then. */
export const nodeReleaseSchema = z.strictObject({ reason, force: z.boolean().default(false) });
export const approveBodySchema = z.strictObject({
  /** `start`, or the stage that it lets begin; left out: the next approval that is missing. */
  of: z.string().min(1).max(200).optional(),
});

export const rolloutStateSchema = z.enum([
  'draft',
  'running',
  'paused',
  'aborting',
  'aborted',
  'done',
  'done-with-held',
  'discarded',
]);
export type RolloutStateView = z.infer<typeof rolloutStateSchema>;

export const unitStateSchema = z.enum([
  'waiting',
  'running',
  'undoing',
  'done',
  'undone',
  'held',
  'skipped',
]);
export type UnitStateView = z.infer<typeof unitStateSchema>;

export const unitViewSchema = z.object({
  unit: z.string(),
  stage: z.string(),
  state: unitStateSchema,
  /** The step under way or the last one. */
  step: z.string().nullable(),
  startedAt: z.number().nullable(),
  endedAt: z.number().nullable(),
  because: z.string().nullable(),
});
export type UnitView = z.infer<typeof unitViewSchema>;

const approvalViewSchema = z.object({ of: z.string(), by: z.string(), at: z.number() });

/** What changes while a rollout goes on, without its units. */
const headSchema = z.object({
  state: rolloutStateSchema,
  /** Why it is paused, aborting or aborted. */
  because: z.string().nullable(),
  stage: z.string().nullable(),
  /** How many units are in which state. */
  units: z.record(unitStateSchema, z.number()),
  approvals: z.array(approvalViewSchema).readonly(),
  /** Approvals that are needed and not given yet: `start`, or names of stages. */
  missingApprovals: z.array(z.string()),
});

export const rolloutSummarySchema = headSchema.extend({
  id: z.string(),
  kind: rolloutKindSchema,
  createdAt: z.number(),
  createdBy: z.string(),
  reason: z.string(),
  /** What it brings: `zen3/stable@17`, `8.4.2-zen3-r1`, `release-42`. */
  targets: z.array(z.string()),
  /** The rollout that it takes back. */
  reverses: z.string().nullable(),
  stages: z.number(),
  farms: z.number(),
  nodes: z.number(),
});
export type RolloutSummary = z.infer<typeof rolloutSummarySchema>;

export const rolloutListSchema = z.object({ rollouts: z.array(rolloutSummarySchema) });

/** A plan that is being made: for thousands of nodes it takes some seconds. */
export const planUnderWaySchema = z.object({
  kind: z.enum(['os', ...rolloutKindSchema.options]),
  targets: z.array(z.string()).readonly(),
  by: z.string(),
  since: z.number(),
  /** How many nodes it looks at; 0 while they are being counted. */
  nodes: z.number(),
  doing: z.enum(['reading', 'planning', 'writing']),
});
export type PlanUnderWayView = z.infer<typeof planUnderWaySchema>;
export const planningListSchema = z.object({ planning: z.array(planUnderWaySchema).readonly() });

export const monitorViewSchema = z.object({
  at: z.number(),
  /** With what speaks against each now, a sentence each. */
  invariants: z
    .array(
      z.object({
        name: z.string(),
        sentence: z.string(),
        violations: z.array(z.string()).readonly(),
        /** Why nobody can tell whether it holds, where nothing speaks against it; null: it was looked at. */
        unseen: z.string().nullable(),
      }),
    )
    .readonly(),
  farms: z
    .array(
      z.object({
        farm: z.string(),
        serving: z.number(),
        out: z.number(),
        maxOut: z.number(),
      }),
    )
    .readonly(),
});
export type MonitorView = z.infer<typeof monitorViewSchema>;

export const rolloutDetailSchema = rolloutSummarySchema.extend({
  plan: planOutlineSchema,
  unitRecords: z.array(unitViewSchema).readonly(),
  /** Null while it is not watched. */
  monitor: monitorViewSchema.nullable(),
});
export type RolloutDetail = z.infer<typeof rolloutDetailSchema>;

/** What `ansible-playbook` takes, by the names of the files. */
export const ansibleFilesSchema = z.strictObject({
  'inventory.json': z.string(),
  'playbook.yml': z.string(),
  'await.yml': z.string(),
  'balancer.yml': z.string(),
  'look.yml': z.string(),
  'node.yml': z.string(),
  'reconnect.yml': z.string(),
});

export const waitReasonSchema = z.object({
  kind: z.string(),
  unit: z.string().nullable(),
  sentence: z.string(),
  /** When it goes on by itself, if that is known. */
  until: z.number().nullable(),
});
export type WaitReasonView = z.infer<typeof waitReasonSchema>;
export const whyListSchema = z.object({ reasons: z.array(waitReasonSchema) });

export const progressSchema = headSchema.extend({
  /** The first of a stream: `changed` has every unit. */
  isWhole: z.boolean(),
  changed: z.array(unitViewSchema),
  /** How the nodes of those units stand: see `member-states.ts`. */
  cells: z.record(
    z.string(),
    z.object({ state: z.string(), letter: z.string(), note: z.string() }),
  ),
  why: z.array(waitReasonSchema).readonly(),
  monitor: monitorViewSchema.nullable(),
});
export type RolloutProgress = z.infer<typeof progressSchema>;

export const rolloutEventsQuerySchema = z.object({
  after: z.coerce.number().int().min(0).optional(),
});
export const rolloutListQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  state: rolloutStateSchema.optional(),
});

export const heldNodeSchema = z.object({
  node: z.string(),
  rollout: z.string(),
  because: z.string(),
  since: z.number(),
});
export type HeldNodeView = z.infer<typeof heldNodeSchema>;
export const heldListSchema = z.object({ held: z.array(heldNodeSchema) });

/** Of a refusal with the code `rollout-refused`: `details.problems`. */
export const planProblemsSchema = z.object({
  problems: z.array(z.object({ code: z.string(), subject: z.string(), sentence: z.string() })),
});
