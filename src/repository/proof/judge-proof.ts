import { formatPolicyDuration, type PromotionPolicy } from '../../gentoo/promotion-policy.ts';
import type { NodeProof, NodeRecord } from './node-report.ts';

/** What is said about the publication that is to be promoted. */
export interface Evidence {
  /** The channel and the number of the publication. */
  readonly channel: string;
  readonly serial: number;
  readonly proofs: readonly NodeProof[];
  /** The newest reports of the nodes of this channel. */
  readonly reports: readonly NodeRecord[];
}

/** `passed` counts; `failed` and `old` do not; `elsewhere` has another publication, or none. */
export type StandingState = 'passed' | 'failed' | 'old' | 'elsewhere';

/** How a node stands to the publication. */
export interface Standing {
  readonly node: string;
  readonly state: StandingState;
  /** Epoch milliseconds since when it counts; null when it does not. */
  readonly passedSince: number | null;
  readonly lastReportedAt: number;
  /** A whole sentence that begins with the name. */
  readonly sentence: string;
}

export interface Judgement {
  readonly isProven: boolean;
  /** Sentences. */
  readonly missing: readonly string[];
  readonly nodes: readonly Standing[];
  /** From when on it is proven if nothing else happens, epoch milliseconds; null while nodes are missing. */
  readonly provenAt: number | null;
}

const MAX_NAMED = 10;

/**
 * Whether a publication may be promoted. A node passes from the first report on that counted, if none failed since
 * then, and not before each check that the policy names has passed; the soak runs from when the last of the needed
 * nodes has passed.
 */
export function judgeProof(policy: PromotionPolicy, evidence: Evidence, now: number): Judgement {
  const nodes = standingsOf(policy, evidence, now);
  const since = nodes.flatMap(({ passedSince }) => passedSince ?? []).toSorted((a, b) => a - b);
  const last = policy.nodes === 0 ? 0 : since[policy.nodes - 1];
  const provenAt = last === undefined ? null : last + policy.soakMs;
  const missing = [
    ...(last === undefined ? [tooFew(policy, evidence, nodes)] : []),
    ...(last !== undefined && provenAt !== null && now < provenAt
      ? [
          `It has to soak ${formatPolicyDuration(policy.soakMs)}: ${ofNodes(policy.nodes)} passed it at ${utc(last)}, so until ${utc(provenAt)}.`,
        ]
      : []),
  ];
  return { isProven: missing.length === 0, missing, nodes, provenAt };
}

function standingsOf(policy: PromotionPolicy, evidence: Evidence, now: number): Standing[] {
  const proven = new Set(evidence.proofs.map(({ node }) => node));
  return [
    ...evidence.proofs.map((proof) => standingOf(policy, evidence, { proof, now })),
    ...evidence.reports.filter(({ node }) => !proven.has(node)).map(standingElsewhere),
  ].toSorted((one, other) => Number(one.node > other.node) - Number(one.node < other.node));
}

function standingOf(
  policy: PromotionPolicy,
  evidence: Evidence,
  { proof, now }: { readonly proof: NodeProof; readonly now: number },
): Standing {
  const { node, lastReportedAt } = proof;
  const standing = (state: StandingState, words: string, passedSince: number | null = null) => ({
    node,
    state,
    passedSince,
    lastReportedAt,
    sentence: `${node} ${words}.`,
  });
  if (proof.passedSince === null) {
    return standing('failed', `does not pass it${whyNot(node, evidence)}`);
  }
  const since = new Map(proof.checks.map(({ name, passedSince }) => [name, passedSince]));
  const lacking = policy.checks.filter((name) => !since.has(name));
  if (lacking.length > 0) {
    return standing('failed', `has not reported ${ofChecks(lacking)} as passed`);
  }
  if (policy.withinMs !== null && now - lastReportedAt > policy.withinMs) {
    const limit = formatPolicyDuration(policy.withinMs);
    return standing('old', `reported it at ${utc(lastReportedAt)}, more than ${limit} ago`);
  }
  const passedSince = Math.max(
    proof.passedSince,
    ...policy.checks.map((name) => since.get(name) ?? 0),
  );
  return standing('passed', `has passed it since ${utc(passedSince)}`, passedSince);
}

/** The newest report says it, when it is still about this publication. */
function whyNot(node: string, { channel, serial, reports }: Evidence): string {
  const report = reports.find((one) => one.node === node);
  if (report === undefined || report.serial !== serial || report.channel !== channel) {
    return '';
  }
  const failed = report.checks.filter(({ passed }) => !passed).map(({ name }) => name);
  const reasons = [
    ...(report.differs > 0 ? [`${counted(report.differs, 'package')} differ`] : []),
    ...(failed.length > 0 ? [`${ofChecks(failed)} failed`] : []),
  ];
  return reasons.length === 0 ? ': nothing of it is installed' : `: ${reasons.join(', ')}`;
}

function standingElsewhere({ node, serial, timestampSeconds, reportedAt }: NodeRecord): Standing {
  const unknown =
    timestampSeconds === null ? 'no index yet' : `an unknown TIMESTAMP ${timestampSeconds}`;
  const what = serial === null ? unknown : `publication ${serial}`;
  return {
    node,
    state: 'elsewhere',
    passedSince: null,
    lastReportedAt: reportedAt,
    sentence: `${node} reported ${what}.`,
  };
}

/** `Publication 12 of testing needs 2 nodes that passed it, and has 1: pre1. pre2 reported publication 11.` */
function tooFew(
  policy: PromotionPolicy,
  { channel, serial }: Evidence,
  nodes: readonly Standing[],
): string {
  const passed = nodes.filter(({ state }) => state === 'passed').map(({ node }) => node);
  const others = nodes.filter(({ state }) => state !== 'passed');
  const checks = policy.checks.length === 0 ? '' : ` with ${ofChecks(policy.checks)}`;
  const has = passed.length === 0 ? 'none' : `${passed.length}: ${passed.join(', ')}`;
  const more = others.length > MAX_NAMED ? [`${others.length - MAX_NAMED} more do not count.`] : [];
  return [
    `Publication ${serial} of ${channel} needs ${ofNodes(policy.nodes)} that passed it${checks}, and has ${has}.`,
    ...others.slice(0, MAX_NAMED).map(({ sentence }) => sentence),
    ...more,
  ].join(' ');
}

function ofNodes(count: number): string {
  return counted(count, 'node');
}

export function ofChecks(names: readonly string[]): string {
  return `the check${names.length === 1 ? '' : 's'} ${names.join(', ')}`;
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function utc(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
