import * as z from 'zod';
import { formatPolicyDuration, policyDuration, policyDurationMs } from './promotion-policy.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const MOST = 1_000_000;
const PACKAGE_NAME = /^[A-Za-z0-9_][A-Za-z0-9+_.-]*\/[A-Za-z0-9_][A-Za-z0-9+_-]*$/;

/** What one build may take. Whole numbers: milliseconds and bytes. */
export const buildLimitsSchema = z.strictObject({
  /** Without a byte of log. */
  silenceMs: z.number().int().min(1),
  runMs: z.number().int().min(1),
  logBytes: z.number().int().min(1),
  /** Of the folder that it is built in. */
  diskBytes: z.number().int().min(1),
});
export type BuildLimits = z.infer<typeof buildLimitsSchema>;

export const NO_LIMITS: BuildLimits = {
  silenceMs: Number.MAX_SAFE_INTEGER,
  runMs: Number.MAX_SAFE_INTEGER,
  logBytes: Number.MAX_SAFE_INTEGER,
  diskBytes: Number.MAX_SAFE_INTEGER,
};

const someLimitsSchema = z.strictObject({
  silenceMs: z.number().int().min(1).exactOptional(),
  runMs: z.number().int().min(1).exactOptional(),
  logBytes: z.number().int().min(1).exactOptional(),
  diskBytes: z.number().int().min(1).exactOptional(),
});

/** What a profile sets: for all its packages, and for single ones (`category/pn`), which comes first. */
export const limitPolicySchema = z.strictObject({
  all: someLimitsSchema,
  packages: z.record(z.string(), someLimitsSchema),
});
export type LimitPolicy = z.infer<typeof limitPolicySchema>;

function size(unit: string) {
  const rule = `has to be a whole number of ${unit} from 1 to ${MOST}`;
  return z.number({ error: rule }).int(rule).min(1, rule).max(MOST, rule).exactOptional();
}

const duration = policyDuration
  .refine((text) => policyDurationMs(text) !== 0, 'has to be longer than no time at all')
  .exactOptional();

const limitTable = {
  silence: duration,
  run: duration,
  'log-mib': size('MiB'),
  'disk-gib': size('GiB'),
};
const packageLimitsSchema = z.strictObject(limitTable);

/** The table `[limits]` of a profile.toml, with a table `[limits.packages."category/pn"]` for each package. */
export const limitsDocumentSchema = z.strictObject({
  ...limitTable,
  packages: z
    .record(z.string(), packageLimitsSchema)
    .refine(
      (packages) => Object.keys(packages).every((name) => PACKAGE_NAME.test(name)),
      'has to have a table for each package, with its name, such as [limits.packages."dev-lang/php"]',
    )
    .exactOptional(),
});
export type LimitsDocument = z.infer<typeof limitsDocumentSchema>;
export const LIMIT_KEYS = Object.keys(limitTable);

/** One over the other; of a package, key by key. */
export function mergeLimits(base: LimitsDocument, over: LimitsDocument): LimitsDocument {
  const packages = { ...base.packages };
  for (const [name, limits] of Object.entries(over.packages ?? {})) {
    packages[name] = { ...packages[name], ...limits };
  }
  return { ...base, ...over, packages };
}

export function limitPolicyOf({ packages = {}, ...all }: LimitsDocument): LimitPolicy {
  return {
    all: someLimits(all),
    packages: Object.fromEntries(
      Object.entries(packages).map(([name, limits]) => [name, someLimits(limits)]),
    ),
  };
}

function someLimits(table: z.infer<typeof packageLimitsSchema>): z.infer<typeof someLimitsSchema> {
  const { silence, run, 'log-mib': log, 'disk-gib': disk } = table;
  return {
    ...(silence === undefined ? {} : { silenceMs: policyDurationMs(silence) }),
    ...(run === undefined ? {} : { runMs: policyDurationMs(run) }),
    ...(log === undefined ? {} : { logBytes: log * MIB }),
    ...(disk === undefined ? {} : { diskBytes: disk * GIB }),
  };
}

/** What a build did that it may not, naming the limit, its value and what was measured. */
export function describeBreach(
  limit: keyof BuildLimits,
  { measured, allowed }: { readonly measured: number; readonly allowed: number },
): string {
  const words: Readonly<Record<keyof BuildLimits, string>> = {
    silenceMs: `wrote nothing to its log for ${time(measured)}: its limit "silence" is ${time(allowed)}`,
    runMs: `ran for ${time(measured)}: its limit "run" is ${time(allowed)}`,
    logBytes: `wrote ${space(measured)} of log: its limit "log-mib" is ${space(allowed)}`,
    diskBytes: `filled ${space(measured)} of the disk: its limit "disk-gib" is ${space(allowed)}`,
  };
  return `The build ${words[limit]}.`;
}

function time(ms: number): string {
  return formatPolicyDuration(ms < 1000 ? ms : Math.round(ms / 1000) * 1000);
}

function space(bytes: number): string {
  return bytes < MIB ? `${bytes} bytes` : `${Math.round((bytes / MIB) * 10) / 10} MiB`;
}
