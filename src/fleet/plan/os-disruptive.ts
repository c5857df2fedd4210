import { requireSpareCapacity } from './capacity.ts';
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
import type { RolloutPolicy } from './policy.ts';
import { canaryStages, prefetchStage, waveStages } from './stages.ts';
import { gateStep, onNodes, stepOf, TIMEOUTS, takeIn, takeOut } from './steps.ts';
import type { Target } from './targets.ts';
import { wavesByIndex } from './waves.ts';

/** Kind 2: all members 1, then all members 2, each out of the balancers meanwhile. */
export function planOsDisruptive(
  input: PlanInput,
  targets: readonly Target[],
  findings: Findings,
): readonly Stage[] {
  const changing = osTargets(input, targets, findings);
  requireSpareCapacity(changing, input, findings);
  const byNode = new Map(changing.map((target) => [target.member.node, target]));
  const stepsOf = ({ member }: Target): readonly Step[] => {
    const target = byNode.get(member.node);
    return target === undefined ? [] : disruptiveSteps(target, input);
  };
  const fetch = ({ member }: Target): readonly Step[] => {
    const target = byNode.get(member.node);
    return target === undefined ? [] : fetchSteps(target);
  };
  const { stages, rest } = canaryStages(input, changing, stepsOf);
  return [
    ...prefetchStage(changing, fetch),
    ...stages,
    ...waveStages(input, wavesByIndex(rest), stepsOf),
  ];
}

function disruptiveSteps(target: OsTarget, input: PlanInput): readonly Step[] {
  const { policy } = input;
  const nodes = [target.member.node];
  const stop = onNodes(nodes, { name: 'stop-web' });
  const start = onNodes(nodes, { name: 'start-web' });
  const wake = wakeUp(target);
  return [
    ...gateStep('gate', policy.gates, nodes),
    ...takeOut(nodes, policy.drainSeconds),
    ...snapshotStep(target, input),
    stepOf('stop', stop, TIMEOUTS.web, [start, checkOf(target, null)]),
    mergeStep(target, input, wayBack(target, input, wake)),
    ...wake.map((action) => wakeStep(action, policy)),
    stepOf('start', start, TIMEOUTS.web, [stop]),
    stepOf('check', checkOf(target, target.impact.to), TIMEOUTS.check),
    ...takeIn(nodes),
    ...gateStep('gate-after', policy.gates, nodes),
    ...dropStep(target, input),
  ];
}

/** How what was merged comes to life: the node is restarted, or the services that use it. */
function wakeUp({ member, impact }: OsTarget): readonly Action[] {
  if (impact.effect === 'reboot') {
    return [onNodes([member.node], { name: 'reboot' })];
  }
  const services = sshdLast(impact.restarts);
  return services.length === 0
    ? []
    : [onNodes([member.node], { name: 'restart-services', services })];
}

function wakeStep(action: Action, { rebootSeconds }: RolloutPolicy): Step {
  return action.do === 'node' && action.run.name === 'reboot'
    ? stepOf('reboot', action, rebootSeconds)
    : stepOf('restart', action, TIMEOUTS.services);
}

function wayBack(
  target: OsTarget,
  { policy }: PlanInput,
  wake: readonly Action[],
): readonly Action[] {
  const nodes = [target.member.node];
  return policy.snapshot === 'none'
    ? [...mergeBack(target), ...wake]
    : [
        onNodes(nodes, { name: 'restore-snapshot', by: policy.snapshot }),
        onNodes(nodes, { name: 'reboot' }),
      ];
}
