import type { Action, AdminState, NodeCommand, Step } from './plan.ts';
import type { GateName } from './policy.ts';

/** How long a step may take, seconds. */
export const TIMEOUTS = {
  balancer: 60,
  gate: 300,
  serving: 180,
  cache: 60,
  fetch: 3600,
  snapshot: 300,
  web: 120,
  merge: 3600,
  rescan: 300,
  services: 300,
  activate: 300,
  check: 180,
} as const;

export function stepOf(
  id: string,
  action: Action,
  timeoutSeconds: number,
  undo: readonly Action[] = [],
): Step {
  return { id, action, timeoutSeconds, undo };
}

/** A step that stays: a unit that fails at it, or later, is held. */
export function finalStep(id: string, action: Action, timeoutSeconds: number): Step {
  return { id, action, timeoutSeconds, undo: [], isFinal: true };
}

export function onNodes(nodes: readonly string[], run: NodeCommand): Action {
  return { do: 'node', nodes, run };
}

export function setMembers(nodes: readonly string[], to: AdminState): Action {
  return { do: 'set-members', nodes, to };
}

export function awaitIdle(nodes: readonly string[]): Action {
  return { do: 'await-idle', nodes, farm: null };
}

export function awaitServing(nodes: readonly string[]): Action {
  return { do: 'await-serving', nodes, farm: null };
}

export function gateStep(
  id: string,
  gates: readonly GateName[],
  nodes: readonly string[],
): readonly Step[] {
  return gates.length === 0 ? [] : [stepOf(id, { do: 'gate', gates, nodes }, TIMEOUTS.gate)];
}

/** Out of the balancers without cutting a request: no new ones, then none in flight, then no checks. */
export function takeOut(nodes: readonly string[], drainSeconds: number): readonly Step[] {
  return [
    stepOf('drain', setMembers(nodes, 'drain'), TIMEOUTS.balancer, putBack(nodes)),
    stepOf('idle', awaitIdle(nodes), drainSeconds),
    stepOf('maint', setMembers(nodes, 'maint'), TIMEOUTS.balancer),
  ];
}

/** In again, and seen to serve. What takes it back makes them idle first. */
export function takeIn(nodes: readonly string[]): readonly Step[] {
  return [
    stepOf('ready', setMembers(nodes, 'ready'), TIMEOUTS.balancer, outAgain(nodes)),
    stepOf('serving', awaitServing(nodes), TIMEOUTS.serving),
  ];
}

export function putBack(nodes: readonly string[]): readonly Action[] {
  return [setMembers(nodes, 'ready'), awaitServing(nodes)];
}

export function outAgain(nodes: readonly string[]): readonly Action[] {
  return [setMembers(nodes, 'drain'), awaitIdle(nodes), setMembers(nodes, 'maint')];
}
