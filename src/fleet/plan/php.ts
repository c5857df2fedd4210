import { requireSpareCapacity } from './capacity.ts';
import { counted, type Findings, someOf } from './findings.ts';
import { atOnce } from './os-online.ts';
import { isActive, type PhpTarget, phpTargets, pullSteps } from './php-trees.ts';
import type { Action, NodeCommand, Stage, Step } from './plan.ts';
import type { PlanInput } from './plan-input.ts';
import { canaryStages, prefetchStage, waveStages } from './stages.ts';
import { finalStep, gateStep, onNodes, stepOf, TIMEOUTS, takeIn, takeOut } from './steps.ts';
import { heldOf, type Target } from './targets.ts';
import { growingWaves, wavesByIndex } from './waves.ts';

/** The switch of PHP: member by member out of the balancers, or under traffic in growing waves. */
export function planPhp(
  input: PlanInput,
  targets: readonly Target[],
  findings: Findings,
): readonly Stage[] {
  const all = phpTargets(input, targets, findings);
  const changing = all.filter((target) => !isActive(target));
  sayDone(all.filter(isActive), changing.length, findings);
  sayNoWayBack(changing, findings);
  requireSpareCapacity(
    changing.filter((target) => isDrained(target, input)),
    input,
    findings,
  );
  const byNode = new Map(changing.map((target) => [target.member.node, target]));
  const stepsOf = ({ member }: Target): readonly Step[] => {
    const target = byNode.get(member.node);
    return target === undefined ? [] : phpSteps(target, input);
  };
  const pull = ({ member }: Target): readonly Step[] => {
    const target = byNode.get(member.node);
    return target === undefined ? [] : pullSteps(target);
  };
  const { stages, rest } = canaryStages(input, changing, stepsOf);
  const waves = input.policy.phpDrain
    ? wavesByIndex(rest)
    : growingWaves(rest, input.policy.waves, changing.length - rest.length, {
        perFarm: atOnce,
        outPerFarm: ({ farm }) => farm.maxOut - heldOf(farm, input.held).length,
        isOut: (target) => isDrained(target, input),
      });
  return [...prefetchStage(changing, pull), ...stages, ...waveStages(input, waves, stepsOf)];
}

/** Apache's module cannot be changed while Apache runs. */
function isDrained({ member }: Target, { policy }: PlanInput): boolean {
  return policy.phpDrain || member.webServer === 'apache-mod-php';
}

function phpSteps(target: PhpTarget, input: PlanInput): readonly Step[] {
  const { member, previous } = target;
  const { gates, drainSeconds } = input.policy;
  const nodes = [member.node];
  const isModule = member.webServer === 'apache-mod-php';
  const stop = onNodes(nodes, { name: 'stop-web' });
  const start = onNodes(nodes, { name: 'start-web' });
  // Before the first tree Apache cannot be stopped by itself: its configuration includes what is not there yet.
  const isStopped = isModule && previous !== null;
  const drained = isDrained(target, input);
  const run: NodeCommand = { name: 'activate-php', tree: target.tree };
  const back: readonly Action[] =
    previous === null
      ? []
      : [
          onNodes(nodes, { name: 'activate-php', tree: previous }),
          ...(isModule ? [] : [checkOf(target, previous.id)]),
        ];
  const switched = onNodes(nodes, run);
  return [
    ...gateStep('gate', gates, nodes),
    ...(drained ? takeOut(nodes, drainSeconds) : []),
    ...(isStopped
      ? [stepOf('stop', stop, TIMEOUTS.web, [start, checkOf(target, previous.id)])]
      : []),
    previous === null
      ? finalStep('activate', switched, TIMEOUTS.activate)
      : stepOf('activate', switched, TIMEOUTS.activate, back),
    ...(isStopped ? [stepOf('start', start, TIMEOUTS.web, [stop])] : []),
    stepOf('check', checkOf(target, target.tree.id), TIMEOUTS.check),
    ...(drained ? takeIn(nodes) : []),
    ...gateStep('gate-after', gates, nodes),
  ];
}

function checkOf({ member, observed }: Target, tree: string | null): Action {
  const release = observed.system?.release ?? null;
  return onNodes([member.node], { name: 'check', tree, release, publication: null });
}

function sayDone(done: readonly PhpTarget[], changing: number, findings: Findings): void {
  const names = done.map(({ member }) => member.node);
  if (names.length > 0 && changing === 0) {
    const sentence = `There is nothing to do: ${counted(names.length, 'node')} in scope already serve with it (${someOf(names)}).`;
    findings.problem('nothing-to-do', 'scope', sentence);
  } else if (names.length > 0) {
    findings.remark(`Already there and left out: ${someOf(names)}.`);
  }
}

function sayNoWayBack(targets: readonly PhpTarget[], findings: Findings): void {
  const names = targets
    .filter(({ previous }) => previous === null)
    .map(({ member }) => member.node);
  if (names.length > 0) {
    findings.remark(
      `No PHP tree is active there yet: when the switch fails, the node is held as it is: ${someOf(names)}.`,
    );
  }
}
