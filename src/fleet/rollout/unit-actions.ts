import type { BalancerWishRow } from '../../database/tables.ts';
import { digestOf } from '../../support/digests.ts';
import type { BalancerChange, BalancerServer } from '../drivers/ports.ts';
import type { Action, NodeCommand, Step, Unit } from '../plan/plan.ts';

/** What a unit does to visitors, told by its actions alone. */
export interface UnitEffect {
  /** Members leave the balancers, or are restarted. */
  readonly takesMembersOut: boolean;
  /** A whole farm leaves. */
  readonly takesFarmOut: boolean;
  /** Something that visitors might notice: its site's windows count. */
  readonly isNoticeable: boolean;
  /** Its nodes fetch from the farm. */
  readonly fetches: boolean;
}

const FETCHES: readonly NodeCommand['name'][] = ['prefetch', 'pull-php', 'merge'];
const UNNOTICED: readonly NodeCommand['name'][] = ['prefetch', 'pull-php', 'check', 'rescan'];
const OUT: readonly NodeCommand['name'][] = ['stop-web', 'reboot'];

export function effectOf(unit: Unit): UnitEffect {
  const actions = unit.steps.map(({ action }) => action);
  const commands = actions.flatMap((action) => (action.do === 'node' ? [action.run.name] : []));
  const takesFarmOut = actions.some(
    (action) => action.do === 'set-farms' && action.changes.some(({ to }) => to !== 'ready'),
  );
  const takesMembersOut =
    commands.some((name) => OUT.includes(name)) ||
    actions.some((action) => action.do === 'set-members' && action.to !== 'ready');
  return {
    takesMembersOut: takesMembersOut && !takesFarmOut,
    takesFarmOut,
    isNoticeable:
      takesFarmOut || takesMembersOut || commands.some((name) => !UNNOTICED.includes(name)),
    fetches: commands.some((name) => FETCHES.includes(name)),
  };
}

/** What balancers are told by an action; nothing for most. */
export function changesOf(action: Action): readonly BalancerChange[] {
  if (action.do === 'set-members') {
    return action.nodes.map((node) => ({ server: { kind: 'member', node }, to: action.to }));
  }
  if (action.do === 'set-farms') {
    return action.changes.map(({ farm, backend, to }) => ({
      server: { kind: 'farm', farm, backend },
      to,
    }));
  }
  return [];
}

export function nameOfServer(server: BalancerServer): string {
  return server.kind === 'member'
    ? `member:${server.node}`
    : `farm:${server.farm}:${server.backend}`;
}

/** The server of a name that `nameOfServer` gave. */
export function serverOfName(name: string): BalancerServer {
  const [kind, first = '', backend] = name.split(':');
  if (kind === 'member') {
    return { kind: 'member', node: first };
  }
  if (kind === 'farm' && (backend === 'blue' || backend === 'green')) {
    return { kind: 'farm', farm: first, backend };
  }
  throw new Error(`${name} is no server of a balancer`);
}

/** Whether somebody who may serve is out after it. */
export function takesOut(action: Action): boolean {
  return changesOf(action).some(({ server, to }) =>
    server.kind === 'member' ? to !== 'ready' : to === 'maint',
  );
}

/** What is wanted of balancers by an action. */
export function wishesOfPlace(
  rollout: string,
  { unit, action }: Place,
  now: number,
): readonly BalancerWishRow[] {
  return changesOf(action).map(({ server, to }) => ({
    site: unit.site,
    server: nameOfServer(server),
    admin_state: to,
    rollout,
    since: now,
  }));
}

/** What a step is done on: its nodes, or once. */
export function placesOf(action: Action): readonly string[] {
  return action.do === 'node' ? action.nodes : [''];
}

/** One action of a unit, where it stands in its plan. */
export interface Place {
  readonly unit: Unit;
  readonly step: Step;
  readonly direction: 'do' | 'undo';
  /** Which of the actions that take the step back; 0 for `do`. */
  readonly part: number;
  readonly action: Action;
}

/** The name under which a node knows a step: the same again for the same step, and never for another one. */
export function nodeStepId(
  plan: string,
  { unit, step, direction, part }: Place,
  node: string,
): string {
  const whole = JSON.stringify([plan, unit.id, step.id, direction, part, node]);
  const readable = `${step.id}.${direction}`.replaceAll(/[^A-Za-z0-9._-]/g, '-').slice(0, 40);
  return `${plan.slice(0, 12)}.${readable}.${digestOf('sha256', whole).slice(0, 24)}`;
}

/** What takes back all steps up to this one, last first. `skips`: steps that have done nothing. */
export function undoPlaces(
  unit: Unit,
  last: number,
  skips: (step: Step) => boolean,
): readonly Place[] {
  return unit.steps
    .slice(0, last + 1)
    .toReversed()
    .filter((step) => !skips(step))
    .flatMap((step) =>
      step.undo.map((action, part): Place => ({ unit, step, direction: 'undo', part, action })),
    );
}
