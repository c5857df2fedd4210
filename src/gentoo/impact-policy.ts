import * as z from 'zod';

/** What a row of an administrator may say; `blocked` follows from what is missing, never from a rule. */
export const RULE_EFFECTS = ['none', 'service-restart', 'disruptive', 'reboot'] as const;
export type RuleEffect = (typeof RULE_EFFECTS)[number];

/** What changing a package does to a node, whatever runs there. */
export const packageRuleSchema = z.strictObject({
  /** `category/pn`, with `*` for any characters but the slash. */
  match: z.string(),
  effect: z.enum(RULE_EFFECTS),
  /** Why, as the rest of a sentence: "it is the kernel, which only a boot changes". */
  reason: z.string(),
});
export type PackageRule = z.infer<typeof packageRuleSchema>;

/** What it means that a running program has a file of a changed package mapped. */
export const programRuleSchema = z.strictObject({
  /** Name of the program, with `*` for any characters. */
  match: z.string(),
  effect: z.enum(RULE_EFFECTS),
  /** Services are restarted in this order, the lowest first. */
  order: z.number().int().min(0),
  reason: z.string(),
});
export type ProgramRule = z.infer<typeof programRuleSchema>;

/** Rows of a profile. They come before those that Rookery has; of each kind the first that matches holds. */
export const impactPolicySchema = z.strictObject({
  packages: z.array(packageRuleSchema),
  programs: z.array(programRuleSchema),
});
export type ImpactPolicy = z.infer<typeof impactPolicySchema>;

/** Where a program stands in the order of restarts that says nothing of it; sshd comes after all others. */
export const USUAL_ORDER = 500;
export const LAST_ORDER = 1000;

const PACKAGE_GLOB = /^[A-Za-z0-9_*][A-Za-z0-9_.*+-]*\/[A-Za-z0-9_*][A-Za-z0-9_*+-]*$/;
const PROGRAM_GLOB = /^[\w.:@*+-]{1,100}$/;
const MAX_ROWS = 1000;

const effect = z.enum(RULE_EFFECTS);
const reason = z.string().regex(/^\P{Cc}{1,300}$/u, 'has to be one line of at most 300 characters');
const order = `has to be a whole number from 0 to ${LAST_ORDER}`;

const packageRow = z.strictObject({
  match: z
    .string()
    .regex(PACKAGE_GLOB, 'has to be category/package, "*" for any characters of either'),
  effect,
  reason,
});
const programRow = z.strictObject({
  match: z
    .string()
    .regex(PROGRAM_GLOB, 'has to be the name of a program, "*" for any characters of it'),
  effect,
  order: z.number({ error: order }).int(order).min(0, order).max(LAST_ORDER, order).exactOptional(),
  reason,
});

/** The table `[impact]` of a profile.toml, with rows `[[impact.package]]` and `[[impact.program]]`. */
export const impactDocumentSchema = z.strictObject({
  package: z.array(packageRow).max(MAX_ROWS, `may have at most ${MAX_ROWS} rows`).exactOptional(),
  program: z.array(programRow).max(MAX_ROWS, `may have at most ${MAX_ROWS} rows`).exactOptional(),
});
export type ImpactDocument = z.infer<typeof impactDocumentSchema>;

export const IMPACT_ROW_KEYS = {
  package: Object.keys(packageRow.shape),
  program: Object.keys(programRow.shape),
} as const;

/** Those of a profile come before those of what it extends. */
export function impactPolicyOf(nearestFirst: readonly ImpactDocument[]): ImpactPolicy {
  return {
    packages: nearestFirst.flatMap((document) => document.package ?? []),
    programs: nearestFirst
      .flatMap((document) => document.program ?? [])
      .map((row) => ({ order: USUAL_ORDER, ...row })),
  };
}
