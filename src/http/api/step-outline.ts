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

const PHASES: Readonly<Record<Exclude<Action['do'], 'set-members' | 'set-farms' | 'node'>, Phase>> =
  {
    'await-idle': 'draining',
    'await-serving': 'returning',
    flush: 'upgrading',
    gate: 'checking',
  };

function phaseOf(action: Action): Phase {
  if (action.do === 'set-members') {
    return STATES[action.to];
  }
  if (action.do === 'set-farms') {
    return action.changes.some(({ to }) => to === 'ready') ? 'returning' : 'draining';
  }
  return action.do === 'node' ? phaseOfCommand(action.run.name) : PHASES[action.do];
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

const AWAITED = {
  'await-idle': 'waits until no request is in flight',
  'await-serving': 'waits until every balancer says that it is up',
} as const;

/** `merges publication 17 of zen3/stable` */
function actionWords(action: Action): string {
  if (action.do === 'node') {
    return commandWords(action.run);
  }
  if (action.do === 'set-members') {
    return TOLD[action.to];
  }
  if (action.do === 'set-farms') {
    const changes = action.changes.map(({ farm, backend, to }) => `${farm} in ${backend} to ${to}`);
    return `sets ${changes.join(', ')}`;
  }
  if (action.do === 'flush') {
    return `empties the memcached of ${action.farm}, and makes sure that it is empty`;
  }
  return action.do === 'gate' ? `asks the gates ${action.gates.join(', ')}` : AWAITED[action.do];
}

type WithoutFacts = 'stop-web' | 'start-web' | 'rescan' | 'reboot';

const PLAIN: Readonly<Record<WithoutFacts, string>> = {
  'stop-web': 'stops the web service',
  'start-web': 'starts the web service',
  rescan: 'looks whether a web process still uses a file that was replaced',
  reboot: 'reboots',
};
const SNAPSHOTS = {
  snapshot: 'makes a snapshot',
  'restore-snapshot': 'goes back to its snapshot',
  'drop-snapshot': 'removes its snapshot',
} as const;

function commandWords(command: NodeCommand): string {
  if ('by' in command) {
    return `${SNAPSHOTS[command.name]} (${command.by})`;
  }
  if (command.name === 'pull-php' || command.name === 'activate-php') {
    return `${command.name === 'pull-php' ? 'fetches' : 'switches to'} PHP ${command.tree.id}`;
  }
  if (command.name === 'check') {
    return checkWords(command);
  }
  if ('publication' in command) {
    const what = publicationWords(command.publication);
    return command.name === 'merge' ? `merges ${what}` : `fetches the packages of ${what}`;
  }
  if (command.name === 'restart-services') {
    return `restarts ${command.services.join(', ')}`;
  }
  return command.name === 'activate-release'
    ? `switches to the release ${command.release.release}`
    : PLAIN[command.name];
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
