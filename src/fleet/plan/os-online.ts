import type { Findings } from './findings.ts';
import {
  checkOf,
  dropStep,
  fetchSteps,
  mergeBack,
  mergeStep,
  type OsTarget,
  osTargets,
  snapshotStep,
  sshdLast,
} from './os-packages.ts';
import type { Action, Stage, Step } from './plan.ts';
import type { PlanInput } from './plan-input.ts';
import { canaryStages, prefetchStage, waveStages } from './stages.ts';
import { gateStep, onNodes, outAgain, putBack, stepOf, TIMEOUTS } from './steps.ts';
import type { Target } from './targets.ts';
import { growingWaves } from './waves.ts';

/** Kind 1: packages that no web process has anything to do with, under traffic. */
export function planOsOnline(
  input: PlanInput,
  targets: readonly Target[],
  findings: Findings,
): readonly Stage[] {
  const changing = osTargets(input, targets, findings);
  refuseStronger(changing, findings);
  const byNode = new Map(changing.map((target) => [target.member.node, target]));
  const stepsOf = ({ member }: Target): readonly Step[] => {
    const target = byNode.get(member.node);
    return target === undefined ? [] : onlineSteps(target, input);
  };
  const fetch = ({ member }: Target): readonly Step[] => {
    const target = byNode.get(member.node);
    return target === undefined ? [] : fetchSteps(target);
  };
  const { stages, rest } = canaryStages(input, changing, stepsOf);
  const waves = growingWaves(rest, input.policy.waves, changing.length - rest.length, {
    perFarm: atOnce,
    outPerFarm: atOnce,
    isOut: () => false,
  });
  return [...prefetchStage(changing, fetch), ...stages, ...waveStages(input, waves, stepsOf)];
}

/** How many of a farm are worked on at the same time while all of them serve. */
export function atOnce({ farm }: Target): number {
  return Math.ceil(farm.members.length / 8);
}

function onlineSteps(target: OsTarget, input: PlanInput): readonly Step[] {
  const { node } = target.member;
  const nodes = [node];
  const { gates } = input.policy;
  const services = sshdLast(target.impact.restarts);
  const restart = onNodes(nodes, { name: 'restart-services', services });
  const restarts = services.length === 0 ? [] : [restart];
  return [
    ...gateStep('gate', gates, nodes),
    ...snapshotStep(target, input),
    mergeStep(target, input, wayBack(target, input, restarts)),
    stepOf('rescan', onNodes(nodes, { name: 'rescan' }), TIMEOUTS.rescan),
    ...restarts.map((action) => stepOf('restart', action, TIMEOUTS.services)),
    stepOf('check', checkOf(target, target.impact.to), TIMEOUTS.check),
    ...gateStep('gate-after', gates, nodes),
    ...dropStep(target, input),
  ];
}

/** A snapshot is restored with a restart of the node, and so out of the balancers; a merge back is as harmless as the merge. */
function wayBack(
  target: OsTarget,
  { policy }: PlanInput,
  restarts: readonly Action[],
): readonly Action[] {
  const nodes = [target.member.node];
  if (policy.snapshot === 'none') {
    return [...mergeBack(target), ...restarts, checkOf(target, target.installed)];
  }
  return [
    ...outAgain(nodes),
    onNodes(nodes, { name: 'stop-web' }),
    onNodes(nodes, { name: 'restore-snapshot', by: policy.snapshot }),
    onNodes(nodes, { name: 'reboot' }),
    onNodes(nodes, { name: 'start-web' }),
    checkOf(target, target.installed),
    ...putBack(nodes),
  ];
}

function refuseStronger(targets: readonly OsTarget[], findings: Findings): void {
  for (const { packages, profile } of new Set(targets.map(({ impact }) => impact))) {
    for (const { name, effect, reasons } of packages) {
      if (effect === 'disruptive' || effect === 'reboot') {
        const sentence = `${name} is not for nodes of "${profile}" while they serve (${effect}): ${reasons[0] ?? 'no reason is given'}; it needs a rollout of the kind os-disruptive.`;
        findings.problem('effect-too-strong', name, sentence);
      }
    }
  }
}
