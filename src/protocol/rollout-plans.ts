import * as z from 'zod';

/** What `src/fleet/plan` calls a policy and a plan, as the API tells them. */

const limit = z.number().int().min(1).nullable();
const seconds = z.number().int().min(0);
const failures = z.number().int().min(0);
const part = z.number().gt(0).max(1);

const limitsSchema = z.strictObject({
  total: limit,
  perSite: limit,
  perRack: limit,
  perBinhost: limit,
});
const budgetSchema = z.strictObject({ perFarm: failures, perProfile: failures, total: failures });

export const policySchema = z.strictObject({
  limits: limitsSchema,
  barrier: z.enum(['strict', 'farm']),
  waves: z.array(part).min(1).readonly(),
  hasCanary: z.boolean(),
  canarySoakSeconds: seconds,
  soakSeconds: seconds,
  budget: budgetSchema,
  onFailure: z.enum(['undo', 'hold']),
  phpDrain: z.boolean(),
  drainSeconds: seconds,
  rebootSeconds: seconds,
  onDrainTimeout: z.enum(['fail', 'cut']),
  newSessions: z.enum(['upgraded-only', 'any-with-floor']),
  snapshot: z.enum(['none', 'lvm', 'btrfs']),
  obeysWindows: z.boolean(),
  approvals: z.array(z.enum(['start', 'second', 'after-canary', 'each-stage'])).readonly(),
  freshSeconds: seconds,
  gates: z
    .array(
      z.enum([
        'balancer',
        'local-checks',
        'peers',
        'error-rate',
        'latency',
        'saturation',
        'alerts',
      ]),
    )
    .readonly(),
});
export type PolicyView = z.infer<typeof policySchema>;

/** What is to be different from the usual policy; what is left out stays as it is. */
export const policyChangesSchema = policySchema
  .partial()
  .extend({ limits: limitsSchema.partial().optional(), budget: budgetSchema.partial().optional() });
export type PolicyChanges = z.infer<typeof policyChangesSchema>;

const publicationRefSchema = z.object({
  profile: z.string(),
  channel: z.string(),
  serial: z.number(),
  /** SHA-256 of its `Packages`. */
  digest: z.string(),
  path: z.string(),
});
const treeRefSchema = z.object({ profile: z.string(), id: z.string(), manifest: z.string() });
const releaseRefSchema = z.object({ release: z.string(), digest: z.string() });

/** What is rolled out, pinned. */
export const artefactsSchema = z.object({
  publications: z.array(publicationRefSchema).readonly(),
  trees: z.array(treeRefSchema).readonly(),
  release: releaseRefSchema.nullable(),
});
export type ArtefactsView = z.infer<typeof artefactsSchema>;

/** Of one package that changes; reasons are sentences, the one that decided first. */
export const packageImpactSchema = z.object({
  name: z.string(),
  slot: z.string(),
  from: z.string().nullable(),
  to: z.string().nullable(),
  effect: z.enum(['none', 'service-restart', 'disruptive', 'reboot', 'blocked']),
  reasons: z.array(z.string()).readonly(),
});
export type PackageImpactView = z.infer<typeof packageImpactSchema>;

/** What a node goes through while a step is under way. */
export const PHASES = [
  'fetching',
  'draining',
  'out',
  'upgrading',
  'checking',
  'returning',
] as const;
export type Phase = (typeof PHASES)[number];

/** A step as many units have it. */
const stepOutlineSchema = z.object({
  id: z.string(),
  phase: z.enum(PHASES),
  /** What it does: `merges publication 17 of zen3/stable`. */
  words: z.string(),
  timeoutSeconds: z.number(),
  /** What takes it back, in order; empty: nothing has to or can be done. */
  undo: z.array(z.string()),
  /** A unit that fails here or later is held as it is: there is no way back. */
  isFinal: z.boolean(),
});
export type StepOutline = z.infer<typeof stepOutlineSchema>;

const unitOutlineSchema = z.object({
  id: z.string(),
  site: z.string(),
  farm: z.string(),
  nodes: z.array(z.string()).readonly(),
  /** Its place in `procedures`. */
  procedure: z.number(),
});
export type UnitOutline = z.infer<typeof unitOutlineSchema>;

export const stageOutlineSchema = z.object({
  id: z.string(),
  type: z.enum(['prefetch', 'canary', 'wave', 'farm']),
  title: z.string(),
  soakSeconds: z.number(),
  units: z.array(unitOutlineSchema),
});
export type StageOutline = z.infer<typeof stageOutlineSchema>;

/** A plan without what is said again for each unit. The whole is at `/plan`. */
export const planOutlineSchema = z.object({
  artefacts: artefactsSchema,
  /** Digest of the inventory that it was made of. */
  inventory: z.string(),
  policy: policySchema,
  impact: z.array(packageImpactSchema).readonly(),
  /** Said before the start: capacity at the peak, how a way back looks, what is not done for whom and why. */
  remarks: z.array(z.string()).readonly(),
  /** Different lists of steps; units say which is theirs. */
  procedures: z.array(z.array(stepOutlineSchema)),
  stages: z.array(stageOutlineSchema),
  /** Farms that have a unit, with all of their members that have one. */
  farms: z.array(
    z.object({
      site: z.string(),
      name: z.string(),
      members: z.array(z.object({ node: z.string(), index: z.number() })),
    }),
  ),
});
export type PlanOutline = z.infer<typeof planOutlineSchema>;

/** The whole plan, as its hash was made of it; `stages` with every step as data. */
export const wholePlanSchema = z.looseObject({
  format: z.literal(1),
  id: z.string(),
  kind: z.enum(['os-online', 'os-disruptive', 'php', 'app']),
  artefacts: artefactsSchema,
  inventory: z.string(),
  policy: policySchema,
  stages: z.array(z.looseObject({ id: z.string() })),
  impact: z.array(packageImpactSchema),
  reverses: z.string().nullable(),
  remarks: z.array(z.string()),
});
