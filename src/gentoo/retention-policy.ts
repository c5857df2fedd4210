import * as z from 'zod';
import { formatPolicyDuration, policyDuration, policyDurationMs } from './promotion-policy.ts';

const MAX_KEPT = 10_000;

/** What housekeeping keeps of a profile. All times are in milliseconds. */
export const retentionPolicySchema = z.strictObject({
  /** So many of the newest publications of each channel. */
  keepLast: z.number().int().min(1).max(MAX_KEPT),
  /** The last publication of each of so many days, weeks and months, in UTC, of those that have one. */
  daily: z.number().int().min(0).max(MAX_KEPT),
  weekly: z.number().int().min(0).max(MAX_KEPT),
  monthly: z.number().int().min(0).max(MAX_KEPT),
  /** Publications that a node has reported to use so recently. */
  reportedWithinMs: z.number().int().min(0),
  /** For so long after another took its place a publication stays: clients have its index cached. */
  graceMs: z.number().int().min(0),
  /** Packages in no publication that stays are kept until they are so old. */
  packagesMs: z.number().int().min(0),
});
export type RetentionPolicy = z.infer<typeof retentionPolicySchema>;

function count(minimum: number) {
  const rule = `has to be a whole number from ${minimum} to ${MAX_KEPT}`;
  return z.number({ error: rule }).int(rule).min(minimum, rule).max(MAX_KEPT, rule).exactOptional();
}

/** The table `[retention]` of a profile.toml. */
export const retentionDocumentSchema = z.strictObject({
  'keep-last': count(1),
  daily: count(0),
  weekly: count(0),
  monthly: count(0),
  'reported-within': policyDuration.exactOptional(),
  grace: policyDuration.exactOptional(),
  packages: policyDuration.exactOptional(),
});
export type RetentionDocument = z.infer<typeof retentionDocumentSchema>;

const DEFAULTS_AS_WRITTEN = {
  'keep-last': 10,
  daily: 7,
  weekly: 4,
  monthly: 6,
  'reported-within': '30d',
  grace: '7d',
  packages: '90d',
} as const;

export function retentionOf(document: RetentionDocument): RetentionPolicy {
  const written = { ...DEFAULTS_AS_WRITTEN, ...document };
  return {
    keepLast: written['keep-last'],
    daily: written.daily,
    weekly: written.weekly,
    monthly: written.monthly,
    reportedWithinMs: policyDurationMs(written['reported-within']),
    graceMs: policyDurationMs(written.grace),
    packagesMs: policyDurationMs(written.packages),
  };
}

/** What holds where a profile says nothing. */
export const DEFAULT_RETENTION = retentionOf({});

/** `the last 10, 7 daily, 4 weekly, 6 monthly; reported within 30d; grace 7d; unused packages 90d` */
export function formatRetention(policy: RetentionPolicy): string {
  const { keepLast, daily, weekly, monthly } = policy;
  return [
    `the last ${keepLast}, ${daily} daily, ${weekly} weekly, ${monthly} monthly`,
    `reported within ${formatPolicyDuration(policy.reportedWithinMs)}`,
    `grace ${formatPolicyDuration(policy.graceMs)}`,
    `unused packages ${formatPolicyDuration(policy.packagesMs)}`,
  ].join('; ');
}
