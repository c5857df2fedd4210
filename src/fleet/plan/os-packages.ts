import { EFFECTS, type Impact, type PackageImpact } from '../impact/impact.ts';
import type { PublicationRef } from './artefact.ts';
import { counted, type Findings, grouped, someOf } from './findings.ts';
import type { Action, NodeCommand, Step } from './plan.ts';
import type { PlanInput } from './plan-input.ts';
import { finalStep, onNodes, stepOf, TIMEOUTS } from './steps.ts';
import type { Target } from './targets.ts';

/** A node whose packages change: to what, and what that does to it. */
export interface OsTarget extends Target {
  readonly impact: Impact;
  /** The publication that it has installed: the way back; null: none that is still there. */
  readonly installed: PublicationRef | null;
}

/** Nodes whose packages change, with their impact. Those that have everything are left out and said. */
export function osTargets(
  input: PlanInput,
  targets: readonly Target[],
  findings: Findings,
): readonly OsTarget[] {
  const publications = onePerProfile(input, targets, findings);
  const impacts = new Map(
    input.impacts.flatMap((impact) => impact.nodes.map((node) => [node, impact] as const)),
  );
  const found = targets.flatMap((target): readonly OsTarget[] => {
    const { node, profile } = target.member;
    const impact = impacts.get(node);
    const to = publications.get(profile);
    if (to === undefined || !isImpactOf(target, impact, to, findings)) {
      return [];
    }
    return [{ ...target, impact, installed: input.installed.get(node) ?? null }];
  });
  refuseBlocked(found, findings);
  const changing = found.filter(({ impact }) => impact.packages.length > 0);
  const done = found.filter(({ impact }) => impact.packages.length === 0);
  sayDone(done, changing.length, findings);
  sayNoWayBack(input, changing, findings);
  return changing;
}

/** Every package that changes somewhere, once, with its strongest effect. */
export function packagesOf(input: PlanInput): readonly PackageImpact[] {
  const all = input.impacts.flatMap(({ packages }) => packages);
  const byName = grouped(all, ({ name, slot, from, to }) => [name, slot, from, to].join(' '));
  return [...byName.values()]
    .flatMap((same) => same.toSorted((one, other) => strength(other) - strength(one)).slice(0, 1))
    .toSorted((one, other) => strength(other) - strength(one) || (one.name < other.name ? -1 : 1));
}

function strength({ effect }: PackageImpact): number {
  return EFFECTS.indexOf(effect);
}

export function sshdLast(services: readonly string[]): readonly string[] {
  return [
    ...services.filter((name) => name !== 'sshd'),
    ...services.filter((name) => name === 'sshd'),
  ];
}

/** The merge with its way back: what `back` says, when there is one; otherwise what was merged stays. */
export function mergeStep(target: OsTarget, input: PlanInput, back: readonly Action[]): Step {
  const run: NodeCommand = { name: 'merge', publication: target.impact.to };
  const action = onNodes([target.member.node], run);
  return hasWayBack(target, input)
    ? stepOf('merge', action, TIMEOUTS.merge, back)
    : finalStep('merge', action, TIMEOUTS.merge);
}

/** Merges what was installed before. */
export function mergeBack({ member, installed }: OsTarget): readonly Action[] {
  return installed === null
    ? []
    : [onNodes([member.node], { name: 'merge', publication: installed })];
}

export function snapshotStep({ member }: Target, { policy }: PlanInput): readonly Step[] {
  const { snapshot: by } = policy;
  return by === 'none'
    ? []
    : [stepOf('snapshot', onNodes([member.node], { name: 'snapshot', by }), TIMEOUTS.snapshot)];
}

export function dropStep({ member }: Target, { policy }: PlanInput): readonly Step[] {
  const { snapshot: by } = policy;
  const action = by === 'none' ? null : onNodes([member.node], { name: 'drop-snapshot', by });
  return action === null ? [] : [finalStep('drop-snapshot', action, TIMEOUTS.snapshot)];
}

export function fetchSteps(target: OsTarget): readonly Step[] {
  const run: NodeCommand = { name: 'prefetch', publication: target.impact.to };
  return [stepOf('prefetch', onNodes([target.member.node], run), TIMEOUTS.fetch)];
}

/** What the node serves with, before and after: an upgrade of packages changes neither the PHP tree nor the release. */
export function checkOf(target: Target, publication: PublicationRef | null): Action {
  const { php, system } = target.observed;
  const release = system?.release ?? null;
  const run: NodeCommand = { name: 'check', tree: php.active, release, publication };
  return onNodes([target.member.node], run);
}

function hasWayBack({ installed }: OsTarget, { policy }: PlanInput): boolean {
  return installed !== null || policy.snapshot !== 'none';
}

/** The publication of each profile, for those that have exactly one. */
function onePerProfile(
  { artefacts }: PlanInput,
  targets: readonly Target[],
  findings: Findings,
): ReadonlyMap<string, PublicationRef> {
  const profiles = new Set(targets.map(({ member }) => member.profile));
  const found = new Map<string, PublicationRef>();
  for (const profile of profiles) {
    const [first, ...others] = artefacts.publications.filter((it) => it.profile === profile);
    if (first === undefined) {
      const sentence = `Nodes of the profile "${profile}" are in scope, and no publication of it is given.`;
      findings.problem('publication-missing', profile, sentence);
    } else if (others.length > 0) {
      const all = [first, ...others].map(({ channel, serial }) => `${channel}@${serial}`);
      const sentence = `More than one publication of "${profile}" is given: ${all.join(', ')}.`;
      findings.problem('publication-ambiguous', profile, sentence);
    } else {
      found.set(profile, first);
    }
  }
  return found;
}

function isImpactOf(
  { member, observed }: Target,
  impact: Impact | undefined,
  to: PublicationRef,
  findings: Findings,
): impact is Impact {
  const { node } = member;
  if (impact === undefined) {
    const sentence = `What ${to.channel}@${to.serial} does to ${node} is not known: nobody has looked at what it has installed.`;
    findings.problem('impact-unknown', node, sentence);
    return false;
  }
  if (impact.installedDigest !== observed.installedDigest || impact.to.digest !== to.digest) {
    const sentence = `What was found of ${node} is for another state: from ${impact.installedDigest.slice(0, 12)} to ${impact.to.channel}@${impact.to.serial}, and it has ${observed.installedDigest.slice(0, 12)} and gets ${to.channel}@${to.serial}.`;
    findings.problem('impact-outdated', node, sentence);
    return false;
  }
  return true;
}

function refuseBlocked(targets: readonly OsTarget[], findings: Findings): void {
  for (const impact of new Set(targets.map((target) => target.impact))) {
    for (const { name, to, effect, reasons } of impact.packages) {
      if (effect === 'blocked') {
        const why = reasons[0] ?? 'no reason is given';
        const sentence = `${to ?? name} must not be merged on nodes of "${impact.profile}" (${someOf(impact.nodes, 3)}): ${why}.`;
        findings.problem('package-blocked', name, sentence);
      }
    }
  }
}

function sayDone(done: readonly Target[], changing: number, findings: Findings): void {
  const names = done.map(({ member }) => member.node);
  if (names.length > 0 && changing === 0) {
    const sentence = `There is nothing to do: ${counted(names.length, 'node')} in scope already have it (${someOf(names)}).`;
    findings.problem('nothing-to-do', 'scope', sentence);
  } else if (names.length > 0) {
    findings.remark(`Already there and left out: ${someOf(names)}.`);
  }
}

function sayNoWayBack(input: PlanInput, targets: readonly OsTarget[], findings: Findings): void {
  const names = targets
    .filter((target) => !hasWayBack(target, input))
    .map(({ member }) => member.node);
  if (names.length > 0) {
    findings.remark(
      `What was installed before is not a publication that is still there, and no snapshot is taken: when a merge fails there, the node is held as it is: ${someOf(names)}.`,
    );
  }
}
