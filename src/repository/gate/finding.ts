import { digestOf } from '../../support/digests.ts';

export const FINDING_KINDS = [
  'file-missing',
  'file-changed',
  'file-damaged',
  'key-not-current',
  'dependency-missing',
  'slot-operator-broken',
  'soname-missing',
  'php-tree-broken',
  'instruction-set',
  'count-dropped',
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

/** Why a snapshot is not fit to be published. */
export interface Finding {
  /** The same for the same offence of the same package and slot, whatever its version: `--allow` takes it. */
  readonly id: string;
  readonly kind: FindingKind;
  /** The package at fault; empty for what concerns the snapshot as a whole. */
  readonly cpv: string;
  /** A sentence that names the offending value. */
  readonly message: string;
  /** What would mend it, a sentence. */
  readonly remedy: string;
  /** `category/pn:slot` of what has to be rebuilt; null where that would not help. */
  readonly rebuild: string | null;
}

/** A finding; `what` is what makes it differ from others of its kind and package. */
export function findingOf(
  finding: Omit<Finding, 'id' | 'rebuild'> & {
    /** `category/pn:slot`, or what else is at fault. */
    readonly name: string;
    readonly what: string;
    readonly rebuild?: string;
  },
): Finding {
  const { name, what, rebuild = null, ...rest } = finding;
  const digest = digestOf('sha256', [finding.kind, name, what].join('\n')).slice(0, 10);
  return { id: `${finding.kind}-${digest}`, ...rest, rebuild };
}
