import * as z from 'zod';

/** What the gate may find (`repository/gate`). What would harm every node cannot be made a warning. */
export const WARNING_KINDS = [
  'dependency-missing',
  'slot-operator-broken',
  'soname-missing',
  'php-tree-broken',
  'instruction-set',
  'count-dropped',
] as const;

/** How strict the gate before a publication is. */
export const gatePolicySchema = z.strictObject({
  /** The share of packages that may be gone, 0 to 1. */
  maxPackageDrop: z.number().exactOptional(),
  /** Findings of these kinds are told, but refuse nothing. */
  warn: z.array(z.enum(WARNING_KINDS)).exactOptional(),
});
export type GatePolicy = z.infer<typeof gatePolicySchema>;

/** The table `[gate]` of a profile.toml. */
export const gateDocumentSchema = z.strictObject({
  'max-package-drop': z
    .number({ error: 'has to be a number from 0 to 1' })
    .min(0, 'has to be a number from 0 to 1')
    .max(1, 'has to be a number from 0 to 1')
    .exactOptional(),
  warn: z
    .array(z.enum(WARNING_KINDS, { error: `has to be one of ${WARNING_KINDS.join(', ')}` }))
    .exactOptional(),
});
export type GateDocument = z.infer<typeof gateDocumentSchema>;

export function gatePolicyOf(document: GateDocument): GatePolicy {
  const { 'max-package-drop': maxPackageDrop, warn } = document;
  return {
    ...(maxPackageDrop !== undefined && { maxPackageDrop }),
    ...(warn !== undefined && { warn }),
  };
}
