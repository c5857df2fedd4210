import type { Action, NodeCommand, Step } from '../../fleet/plan/plan.ts';
import type { Phase, StepOutline } from '../../protocol/rollout-plans.ts';

/** A step in words; what differs from unit to unit, the names of its nodes, is left out. */
export function stepOutline({
  id,
  action,
  timeoutSeconds,
  undo,
  isFinal = false,
}: Step): StepOutline {
  return {
    id,
    phase: phaseOf(action),
    words: actionWords(action),
    timeoutSeconds,
    undo: undo.map(actionWords),
    isFinal,
  };
}

const STATES = { ready: 'returning', drain: 'draining', maint: 'out' } as const;

function phaseOf(action: Action): Phase {
  switch (action.do) {
    case 'set-members':
      return STATES[action.to];
    case 'set-farms':
      return action.changes.some(({ to }) => to === 'ready') ? 'returning' : 'draining';
    case 'await-idle':
      return 'draining';
    case 'await-serving':
      return 'returning';
    case 'flush':
      return 'upgrading';
    case 'gate':
      return 'checking';
    case 'node':
      return phaseOfCommand(action.run.name);
  }
}

function phaseOfCommand(name: NodeCommand['name']): Phase {
  if (name === 'prefetch' || name === 'pull-php') {
    return 'fetching';
  }
  return name === 'check' || name === 'rescan' ? 'checking' : 'upgrading';
}

const TOLD = {
  ready: 'tells all balancers to use it',
  drain: 'tells all balancers to send it no new visitors',
  maint: 'takes it out of all balancers',
} as const;

/** `merges publication 17 of zen3/stable` */
function actionWords(action: Action): string {
  switch (action.do) {
    case 'set-members':
      return TOLD[action.to];
    case 'set-farms':
      return `sets ${action.changes.map(({ farm, backend, to }) => `${farm} in ${backend} to ${to}`).join(', ')}`;
    case 'await-idle':
      return 'waits until no request is in flight';
    case 'await-serving':
      return 'waits until every balancer says that it is up';
    case 'flush':
      return `empties the memcached of ${action.farm}, and makes sure that it is empty`;
    case 'gate':
      return `asks the gates ${action.gates.join(', ')}`;
    case 'node':
      return commandWords(action.run);
  }
}

function commandWords(command: NodeCommand): string {
  switch (command.name) {
    case 'prefetch':
      return `fetches the packages of ${publicationWords(command.publication)}`;
    case 'pull-php':
      return `fetches PHP ${command.tree.id}`;
    case 'snapshot':
      return `makes a snapshot (${command.by})`;
    case 'restore-snapshot':
      return `goes back to its snapshot (${command.by})`;
    case 'drop-snapshot':
      return `removes its snapshot (${command.by})`;
    case 'stop-web':
      return 'stops the web service';
    case 'start-web':
      return 'starts the web service';
    case 'merge':
      return `merges ${publicationWords(command.publication)}`;
    case 'rescan':
      return 'looks whether a web process still uses a file that was replaced';
    case 'restart-services':
      return `restarts ${command.services.join(', ')}`;
    case 'reboot':
      return 'reboots';
    case 'activate-php':
      return `switches to PHP ${command.tree.id}`;
    case 'activate-release':
      return `switches to the release ${command.release.release}`;
    case 'check':
      return checkWords(command);
  }
}

function checkWords(command: NodeCommand & { readonly name: 'check' }): string {
  const exactly = [
    ...(command.publication === null ? [] : [publicationWords(command.publication)]),
    ...(command.tree === null ? [] : [`PHP ${command.tree}`]),
    ...(command.release === null ? [] : [`release ${command.release}`]),
  ];
  return exactly.length === 0
    ? 'runs the checks of the node'
    : `runs the checks of the node, and sees that it has ${exactly.join(' and ')}`;
}

function publicationWords({
  profile,
  channel,
  serial,
}: {
  readonly profile: string;
  readonly channel: string;
  readonly serial: number;
}): string {
  return `publication ${serial} of ${profile}/${channel}`;
}
