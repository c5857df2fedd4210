import * as z from 'zod';

/**
 *     POST /api/fleet/impact    impactBodySchema -> impactListSchema
 *
 * What publications would do to the nodes of their profiles. It is asked, and changes nothing.
 */
const TARGET = /^[a-z0-9][a-z0-9._-]{0,63}\/[a-z0-9][a-z0-9._-]{0,63}(?:@[1-9][0-9]{0,14})?$/;
const MAX_TARGETS = 100;
const MAX_NODES = 100_000;
const MAX_NODE_NAME = 64;

/** `<profile>/<channel>`, which means what the channel shows now, or `<profile>/<channel>@<serial>`. */
export const targetSchema = z
  .string()
  .regex(TARGET, 'has to look like "zen3/stable" or "zen3/stable@17"');

/** What such a name says, once it has been checked. */
export function readTarget(name: string): {
  readonly profile: string;
  readonly channel: string;
  readonly serial?: number;
} {
  const [profile = '', rest = ''] = name.split('/');
  const [channel = '', serial] = rest.split('@');
  return serial === undefined ? { profile, channel } : { profile, channel, serial: Number(serial) };
}

export const impactBodySchema = z.strictObject({
  targets: z.array(targetSchema).min(1).max(MAX_TARGETS),
  /** Only these; empty: every node of the profiles. One of another profile is `blocked`. */
  nodes: z.array(z.string().min(1).max(MAX_NODE_NAME)).max(MAX_NODES).default([]),
});
export type ImpactBody = z.input<typeof impactBodySchema>;

const effectSchema = z.enum(['none', 'service-restart', 'disruptive', 'reboot', 'blocked']);
export type EffectName = z.infer<typeof effectSchema>;

const packageImpactSchema = z.object({
  /** `category/package`. */
  name: z.string(),
  slot: z.string(),
  /** CPV; null for what comes or goes. */
  from: z.string().nullable(),
  to: z.string().nullable(),
  effect: effectSchema,
  /** Sentences, the one that decided first. */
  reasons: z.array(z.string()),
});
export type PackageImpactView = z.infer<typeof packageImpactSchema>;

const impactSchema = z.object({
  profile: z.string(),
  /** Nodes with the same have the same packages installed. */
  installedDigest: z.string(),
  nodes: z.array(z.string()),
  to: z.object({
    profile: z.string(),
    channel: z.string(),
    serial: z.number(),
    digest: z.string(),
    path: z.string(),
  }),
  effect: effectSchema,
  packages: z.array(packageImpactSchema),
  /** Programs to restart after the merge, in this order. */
  restarts: z.array(z.string()),
});
export type ImpactView = z.infer<typeof impactSchema>;

/** One for each set of installed packages, those of most nodes first. */
export const impactListSchema = z.object({ impacts: z.array(impactSchema) });
export type ImpactList = z.infer<typeof impactListSchema>;
