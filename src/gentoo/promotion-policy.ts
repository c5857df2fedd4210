import * as z from 'zod';
import { show } from './document-faults.ts';
import { suggestion } from './nearest-word.ts';

/** Checks are files in a folder of a node; as `run-parts` has it, other names than these are passed over. */
export const CHECK_NAME = /^[A-Za-z0-9_-]{1,64}$/;
const MAX_NODES = 10_000;
const MAX_CHECKS = 100;
const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DURATION = /^(?<count>[0-9]{1,6})(?<unit>[smhd])$/;

/** What a publication needs before it may be promoted to a channel. */
export const promotionPolicySchema = z.strictObject({
  /** So many nodes have to have it installed, their checks passed. 0: no proof is needed. */
  nodes: z.number().int().min(0).max(MAX_NODES),
  /** Checks that each of these nodes has to have passed, by name. A check that failed never counts as passed. */
  checks: z.array(z.string().regex(CHECK_NAME)),
  /** How long ago the last of the needed nodes has to have passed. */
  soakMs: z.number().int().min(0),
  /** How old a node's newest report may be; null: any age. */
  withinMs: z.number().int().min(1).nullable(),
});
export type PromotionPolicy = z.infer<typeof promotionPolicySchema>;

/** What holds where a profile says nothing. */
export const DEFAULT_POLICY: PromotionPolicy = { nodes: 1, checks: [], soakMs: 0, withinMs: null };
const NO_PROOF: PromotionPolicy = { ...DEFAULT_POLICY, nodes: 0 };

/** A length of time in a profile.toml. */
export const policyDuration = z
  .string()
  .refine(
    (text) => DURATION.test(text),
    'has to be a whole number and one of s, m, h, d, such as "24h"',
  );

/** A table `[promotion.<channel>]` of a profile.toml. */
export const promotionDocumentSchema = z.strictObject({
  nodes: z
    .number()
    .int()
    .min(0, 'has to be 0 or more')
    .max(MAX_NODES, `may be at most ${MAX_NODES}`)
    .exactOptional(),
  checks: z
    .array(z.string().regex(CHECK_NAME, 'has to be of letters, digits, "_" and "-", at most 64'))
    .max(MAX_CHECKS, `may have at most ${MAX_CHECKS} checks`)
    .exactOptional(),
  soak: policyDuration.exactOptional(),
  within: policyDuration
    .refine((text) => policyDurationMs(text) !== 0, 'has to be longer than no time at all')
    .exactOptional(),
});
export type PromotionDocument = z.infer<typeof promotionDocumentSchema>;

export function policyOf(document: PromotionDocument): PromotionPolicy {
  const { nodes = DEFAULT_POLICY.nodes, checks = [], soak, within } = document;
  return {
    nodes,
    checks: [...new Set(checks)],
    soakMs: soak === undefined ? 0 : policyDurationMs(soak),
    withinMs: within === undefined ? null : policyDurationMs(within),
  };
}

/** The policy for promotions to a channel. The first channel of a profile needs proof only where the profile says so. */
export function promotionPolicy(
  profile: {
    readonly channels: readonly string[];
    readonly promotion?: Readonly<Record<string, PromotionPolicy>>;
  },
  channel: string,
): PromotionPolicy {
  const own = profile.promotion?.[channel];
  return own ?? (profile.channels[0] === channel ? NO_PROOF : DEFAULT_POLICY);
}

/** Whether what reaches a channel has to be proven on one before it. There is none before the first. */
export function isProofNeeded(
  profile: Parameters<typeof promotionPolicy>[0],
  channel: string,
): boolean {
  return profile.channels.indexOf(channel) > 0 && promotionPolicy(profile, channel).nodes > 0;
}

/** Sentences for policies that no promotion can follow; those that a profile inherits are not looked at. */
export function faultsInPromotion(
  promotion: Readonly<Record<string, PromotionDocument>>,
  { file, channels }: { readonly file: string; readonly channels: readonly string[] },
): string[] {
  return Object.entries(promotion).flatMap(([channel, document]) => {
    const key = `${file}: promotion.${channel}`;
    if (!channels.includes(channel)) {
      return [`${key}: there is no such channel.${suggestion(channel, channels)}`];
    }
    const { nodes, checks = [], soak } = document;
    const rest = { ...(checks.length > 0 && { checks }), ...(soak !== undefined && { soak }) };
    return nodes === 0 && Object.keys(rest).length > 0
      ? [
          `${key}: nodes = 0 means that no proof is needed, so ${show(rest)} would never be asked for.`,
        ]
      : [];
  });
}

/** `24h` for 86,400,000; in the largest unit that leaves no rest. */
export function formatPolicyDuration(ms: number): string {
  const unit = (['d', 'h', 'm'] as const).find((one) => ms > 0 && ms % UNITS[one] === 0) ?? 's';
  return `${ms / UNITS[unit]}${unit}`;
}

export function policyDurationMs(text: string): number {
  const { count = '0', unit = 's' } = DURATION.exec(text)?.groups ?? {};
  const [, factor] = Object.entries(UNITS).find(([name]) => name === unit) ?? ['s', UNITS.s];
  return Number(count) * factor;
}
