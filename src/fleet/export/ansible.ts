import { AppError } from '../../support/errors.ts';
import { commandWords, encodeWords } from '../drivers/step-words.ts';
import type { Farm, HaproxyBalancer, Inventory, Member, Site } from '../inventory/inventory.ts';
import type { Action, AdminState, RolloutPlan, Stage, Step, Unit } from '../plan/plan.ts';
import {
  AGAIN,
  ANY_ANSWER,
  AWAIT_TASKS,
  BALANCER_TASKS,
  callOf,
  LATER,
  LOOK_TASKS,
  NODE_TASKS,
  RECONNECT_TASKS,
  said,
  shown,
} from './ansible-tasks.ts';

const TASK_FILES = {
  'await.yml': AWAIT_TASKS,
  'balancer.yml': BALANCER_TASKS,
  'look.yml': LOOK_TASKS,
  'node.yml': NODE_TASKS,
  'reconnect.yml': RECONNECT_TASKS,
};

/** By name, all of them JSON, which is YAML as well. */
export type AnsibleFiles = Readonly<
  Record<'inventory.json' | 'playbook.yml' | keyof typeof TASK_FILES, string>
>;

/** What is done for a unit: a variable of its host. */
interface HostUnit {
  /** Words that ask for the state of its last step on the node; null: it has none. */
  readonly last: string | null;
  readonly steps: readonly HostStep[];
}

/** The task file of the name in `do` carries it out, as the variable `step`. */
type HostStep = {
  /** For people. */
  readonly id: string;
  readonly seconds: number;
  /** It comes behind the last step on the node: it is done again when that one is done. */
  readonly isBack: boolean;
} & (
  | {
      readonly do: 'node';
      readonly start: string;
      readonly state: string;
      /** Seconds between two looks whether it has ended. */
      readonly delay: number;
    }
  | { readonly do: 'balancer'; readonly to: AdminState; readonly lines: readonly BalancerLine[] }
  | {
      readonly do: 'await';
      readonly until: 'idle' | 'up' | 'spare';
      /** How many others have to serve. */
      readonly least: number;
      /** It goes on when the time is over. */
      readonly isCut: boolean;
      readonly lines: readonly BalancerLine[];
    }
);

/** Where a balancer has the member. */
interface BalancerLine {
  /** What socat connects to, on the machine that Ansible runs on. */
  readonly socket: string;
  readonly backend: string;
  readonly server: string;
}

/** Words of balancers: they stand in a line of shell. */
const PLAIN = /^[A-Za-z0-9._:[\]-]+$/;
/** How long others may take to serve before a member leaves them, seconds. */
const SPARE_SECONDS = 60;

/**
 * A plan for `ansible-playbook -i inventory.json playbook.yml`: one play for each stage, in order, and in a play as many nodes at
 * a time as the plan's limit; any failure ends all of it. Steps run through `rookery-step` under ids of their own, so that a second
 * run goes on where the first one stopped. Nothing is undone, and no gate is judged but that the others of the farm serve: that is what
 * the engine is for.
 *
 * Throws `export-not-possible` for plans of whole farms, for balancers that are not HAProxy over TCP, and for names that Ansible would
 * take for expressions.
 */
export function ansibleFiles(plan: RolloutPlan, inventory: Inventory): AnsibleFiles {
  const hostvars = new Map<string, Record<string, unknown>>();
  const groups: Record<string, unknown> = {};
  plan.stages.forEach((stage, at) => {
    const nodes = stage.units.flatMap((unit) => unit.nodes);
    groups[groupOf(at)] = { hosts: Object.fromEntries(nodes.map((node) => [node, {}])) };
    for (const unit of stage.units) {
      const scene = { plan, unit, ...placeOf(unit, inventory) };
      const known = hostvars.get(scene.member.node) ?? connection(scene.member);
      hostvars.set(scene.member.node, { ...known, [`rookery_${groupOf(at)}`]: hostUnit(scene) });
    }
  });
  const hosts = written({ all: { hosts: Object.fromEntries(hostvars) }, ...groups });
  const [expression] = /\S.*\{[{%#].*?(?=,?$)/m.exec(hosts) ?? [];
  if (expression !== undefined) {
    throw notPossible(`it would take ${expression} for an expression`);
  }
  return {
    'inventory.json': hosts,
    'playbook.yml': written(plan.stages.map((stage, at) => playOf(plan, stage, groupOf(at)))),
    'await.yml': written(TASK_FILES['await.yml']),
    'balancer.yml': written(TASK_FILES['balancer.yml']),
    'look.yml': written(TASK_FILES['look.yml']),
    'node.yml': written(TASK_FILES['node.yml']),
    'reconnect.yml': written(TASK_FILES['reconnect.yml']),
  };
}

function written(value: unknown): string {
  return `${JSON.stringify(value, null, 1)}\n`;
}

function groupOf(at: number): string {
  return `stage_${at + 1}`;
}

function connection({ ssh }: Member): Record<string, unknown> {
  return { ansible_host: ssh.host, ansible_port: ssh.port, ansible_user: ssh.user };
}

function placeOf(
  { id, nodes }: Unit,
  { sites }: Inventory,
): { readonly site: Site; readonly farm: Farm; readonly member: Member } {
  for (const site of sites) {
    for (const farm of site.farms) {
      const member = farm.members.find(({ node }) => node === nodes[0]);
      if (member !== undefined && nodes.length === 1) {
        return { site, farm, member };
      }
    }
  }
  throw notPossible(`the unit ${id} is not one node of the inventory`);
}

const ANSWERS = ['rookery_before', 'rookery_before_again'] as const;
const IS_DONE = ANSWERS.map((register) => `${said(register)} == 'done 0'`).join(' or ');

function playOf({ id, policy }: RolloutPlan, stage: Stage, group: string): unknown {
  const isAsked = 'rookery_unit.last is not none';
  return {
    name: `${stage.title} (rollout ${id.slice(0, 12)})`,
    hosts: group,
    gather_facts: false,
    serial: policy.limits.total ?? '100%',
    any_errors_fatal: true,
    vars: { rookery_unit: `{{ rookery_${group} }}` },
    tasks: [
      {
        name: 'this is no dry run',
        'ansible.builtin.assert': {
          that: 'not ansible_check_mode',
          fail_msg: `Nothing of this can be tried. What it does, says: rookery rollout show ${id.slice(0, 12)}`,
          quiet: true,
        },
      },
      ...ANSWERS.map((register, at) => ({
        name: `whether the unit is done${at === 0 ? '' : ', of the run before'}`,
        'ansible.builtin.raw': callOf('rookery_unit.last', at === 0 ? undefined : LATER),
        register,
        changed_when: false,
        ...ANY_ANSWER,
        when: [isAsked, ...(at === 0 ? [] : ['rookery_again is defined'])],
      })),
      {
        name: 'the node answers',
        'ansible.builtin.fail': { msg: shown(ANSWERS[0]) },
        when: [isAsked, `${said(ANSWERS[0])} == ''`],
      },
      {
        name: 'what was done in a run before',
        'ansible.builtin.set_fact': { rookery_was_done: `{{ ${IS_DONE} }}` },
      },
      {
        name: 'the steps of the unit',
        'ansible.builtin.include_tasks': '{{ step.do }}.yml',
        loop: '{{ rookery_unit.steps }}',
        loop_control: { loop_var: 'step', label: '{{ step.id }}' },
        when: 'step.isBack or not rookery_was_done',
      },
    ],
    post_tasks: stage.soakSeconds > 0 ? [soakTask(stage)] : [],
  };
}

/** Behind the last nodes of the play, and not when all of it was done in a run before. */
function soakTask({ soakSeconds }: Stage): unknown {
  return {
    name: `watch for ${soakSeconds} seconds before the next stage`,
    'ansible.builtin.pause': { seconds: soakSeconds },
    when: [
      'ansible_play_batch | last == ansible_play_hosts_all | last',
      "ansible_play_hosts_all | map('extract', hostvars, 'rookery_was_done') | reject | list | length > 0",
    ],
    run_once: true,
  };
}

interface Scene {
  readonly plan: RolloutPlan;
  readonly unit: Unit;
  readonly member: Member;
  readonly farm: Farm;
  readonly site: Site;
}
type WithoutBack<T> = T extends unknown ? Omit<T, 'isBack'> : never;

function hostUnit(scene: Scene): HostUnit {
  const { unit } = scene;
  const last = unit.steps.findLastIndex(({ action }) => action.do === 'node');
  const lastStep = unit.steps[last];
  const steps = unit.steps.flatMap((step, at): HostStep[] =>
    hostSteps(scene, step).map((one) => ({ ...one, isBack: last !== -1 && at > last })),
  );
  return {
    last: lastStep === undefined ? null : encodeWords(['state', nodeStepId(scene, lastStep)]),
    steps: [...spareFirst(scene), ...steps],
  };
}

/** Before a member leaves, the others have to serve. */
function spareFirst(scene: Scene): HostStep[] {
  const { unit, farm, member } = scene;
  const leaves = unit.steps.some(({ action }) => action.do === 'set-members');
  if (!leaves) {
    return [];
  }
  const least = Math.max(farm.minServing, farm.members.length - farm.maxOut);
  const step = { id: `${farm.name} can spare ${member.node}`, seconds: SPARE_SECONDS };
  const lines = linesOf(scene);
  return [{ do: 'await', until: 'spare', least, ...step, isCut: false, isBack: false, lines }];
}

function hostSteps(scene: Scene, step: Step): WithoutBack<HostStep>[] {
  const { policy } = scene.plan;
  const { action, timeoutSeconds: seconds } = step;
  const named = { id: `${step.id} of ${scene.member.node}`, seconds };
  switch (action.do) {
    case 'set-members':
      return [{ do: 'balancer', ...named, to: action.to, lines: linesOf(scene) }];
    case 'await-idle': {
      const isCut = policy.onDrainTimeout === 'cut';
      return [{ do: 'await', ...named, until: 'idle', least: 0, isCut, lines: linesOf(scene) }];
    }
    case 'await-serving':
      return [
        { do: 'await', ...named, until: 'up', least: 0, isCut: false, lines: linesOf(scene) },
      ];
    case 'gate':
      return [];
    case 'node':
      return [{ ...named, ...nodeStep(scene, step, action) }];
    case 'set-farms':
    case 'flush':
      break;
  }
  throw notPossible(`the step ${step.id} of ${scene.unit.id} is about a whole farm`);
}

function nodeStep(
  scene: Scene,
  step: Step,
  action: Extract<Action, { do: 'node' }>,
): Omit<Extract<HostStep, { do: 'node' }>, 'id' | 'seconds' | 'isBack'> {
  const { timeoutSeconds } = step;
  const id = nodeStepId(scene, step);
  const limits = ['--timeout', String(timeoutSeconds), '--rollout', scene.plan.id];
  return {
    do: 'node',
    start: encodeWords(['start', id, ...limits, ...commandWords(action.run)]),
    state: encodeWords(['state', id]),
    delay: Math.min(10, Math.ceil(timeoutSeconds / 300)),
  };
}

/** An id has 120 characters at most; a later run adds to it. */
function nodeStepId({ plan, unit }: Scene, step: Step): string {
  const id = `ansible.${plan.id.slice(0, 16)}.${unit.id}.${step.id}`;
  return `${id.replaceAll(/[^A-Za-z0-9._-]/g, '.').slice(0, 100)}${AGAIN}`;
}

function linesOf({ site, member }: Scene): BalancerLine[] {
  return site.balancers.map((balancer) => {
    const { socket, memberBackend } = haproxyOf(site, balancer);
    const line = {
      socket: `TCP:${socket.slice('tcp://'.length)}`,
      backend: memberBackend.replaceAll('{farm}', member.farm),
      server: member.node,
    };
    const strange = Object.values(line).find((word) => !PLAIN.test(word));
    if (strange !== undefined) {
      throw notPossible(`"${strange}" has to be quoted for a shell`);
    }
    return line;
  });
}

function haproxyOf(site: Site, balancer: Site['balancers'][number]): HaproxyBalancer {
  if (balancer.driver !== 'haproxy' || !balancer.socket.startsWith('tcp://')) {
    throw notPossible(`the balancer ${balancer.name} of ${site.name} is no HAProxy over TCP`);
  }
  return balancer;
}

function notPossible(why: string): AppError {
  return new AppError('export-not-possible', `This plan cannot be run by Ansible: ${why}.`);
}
