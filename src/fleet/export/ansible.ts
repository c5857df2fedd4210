import { AppError } from '../../support/errors.ts';
import { commandWords, encodeWords } from '../drivers/step-words.ts';
import type { HaproxyBalancer, Inventory, Member, Site } from '../inventory/inventory.ts';
import { membersOf } from '../inventory/inventory.ts';
import type { Action, AdminState, RolloutPlan, Stage, Step, Unit } from '../plan/plan.ts';

/** Files by name, all of them JSON, which is YAML as well. */
export type AnsibleFiles = Readonly<Record<'inventory.json' | 'playbook.yml' | 'step.yml', string>>;

/** A task file runs one of these on the host that it is for. */
type HostStep =
  | {
      readonly do: 'node';
      readonly id: string;
      readonly start: string;
      readonly state: string;
      readonly look: string;
      readonly isReboot: boolean;
      readonly seconds: number;
    }
  | { readonly do: 'balancer'; readonly lines: readonly BalancerLine[] }
  | {
      readonly do: 'await';
      readonly places: readonly BalancerLine[];
      readonly column: 'scur' | 'up';
      readonly seconds: number;
    };

interface BalancerLine {
  /** What socat connects to, on the machine that Ansible runs on. */
  readonly socket: string;
  readonly text: string;
}

/** What Ansible runs in the place of `rookery-step words`, and how it asks whether a step has ended. */
const POLL_SECONDS = 2;

/**
 * A plan for `ansible-playbook -i inventory.json playbook.yml`: one play for each stage, in order, and in a play as many nodes at
 * a time as the plan's limit; any failure ends all of it. Steps run through `rookery-step` under ids of their own, so that a second run goes on
 * where the first one stopped. Nothing is undone, and no gate is judged but those of the balancers: that is what the engine is for.
 *
 * Throws `export-not-possible` for plans of whole farms, and for balancers that are not HAProxy over TCP.
 */
export function ansibleFiles(plan: RolloutPlan, inventory: Inventory): AnsibleFiles {
  const members = new Map(membersOf(inventory).map((member) => [member.node, member]));
  const sites = new Map(inventory.sites.map((site) => [site.name, site]));
  const hostvars = new Map<string, Record<string, unknown>>();
  const groups: Record<string, unknown> = {};
  plan.stages.forEach((stage, at) => {
    groups[groupOf(at)] = {
      hosts: Object.fromEntries(
        stage.units.flatMap(({ nodes }) => nodes.map((node) => [node, {}])),
      ),
    };
    for (const unit of stage.units) {
      const member = only(unit, members);
      const site = sites.get(unit.site);
      if (site === undefined) {
        throw notPossible(`the inventory has no site ${unit.site}`);
      }
      const steps = unit.steps.flatMap((step) => hostSteps({ plan, unit, step, member, site }));
      const known = hostvars.get(member.node) ?? connection(member);
      hostvars.set(member.node, { ...known, [`rookery_${groupOf(at)}`]: steps });
    }
  });
  const all = { hosts: Object.fromEntries(hostvars) };
  return {
    'inventory.json': written({ all, ...groups }),
    'playbook.yml': written(plan.stages.map((stage, at) => playOf(plan, stage, groupOf(at)))),
    'step.yml': written(STEP_TASKS),
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

function only({ id, nodes }: Unit, members: ReadonlyMap<string, Member>): Member {
  const [node = ''] = nodes;
  const member = members.get(node);
  if (nodes.length !== 1 || member === undefined) {
    throw notPossible(`the unit ${id} is not one node of the inventory`);
  }
  return member;
}

function playOf({ id, policy }: RolloutPlan, stage: Stage, group: string): unknown {
  return {
    name: `${stage.title} (rollout ${id.slice(0, 12)})`,
    hosts: group,
    gather_facts: false,
    serial: policy.limits.total ?? '100%',
    any_errors_fatal: true,
    tasks: [
      {
        name: 'the steps of the unit',
        'ansible.builtin.include_tasks': 'step.yml',
        loop: `{{ rookery_${group} }}`,
        loop_control: { loop_var: 'step', label: '{{ step.id | default(step.do) }}' },
      },
    ],
    post_tasks: [
      {
        name: 'watch before the next stage',
        'ansible.builtin.pause': { seconds: stage.soakSeconds },
        when: `${stage.soakSeconds} > 0`,
        run_once: true,
      },
    ],
  };
}

interface Scene {
  readonly plan: RolloutPlan;
  readonly unit: Unit;
  readonly step: Step;
  readonly member: Member;
  readonly site: Site;
}

function hostSteps({ plan, unit, step, member, site }: Scene): HostStep[] {
  const { action, timeoutSeconds: seconds } = step;
  switch (action.do) {
    case 'set-members':
      return [{ do: 'balancer', lines: setLines(site, member, action.to) }];
    case 'await-idle':
      return [{ do: 'await', places: statLines(site, member), column: 'scur', seconds }];
    case 'await-serving':
      return [{ do: 'await', places: statLines(site, member), column: 'up', seconds }];
    case 'gate':
      return [];
    case 'node':
      return [nodeStep({ plan, unit, step, member, site }, action)];
    case 'set-farms':
    case 'flush':
      break;
  }
  throw notPossible(`the step ${step.id} of ${unit.id} is about a whole farm`);
}

function nodeStep(
  { plan, unit, step, member }: Scene,
  action: Extract<Action, { do: 'node' }>,
): HostStep {
  const id = `ansible.${plan.id.slice(0, 16)}.${unit.id}.${step.id}`
    .replaceAll(/[^A-Za-z0-9._-]/g, '.')
    .slice(0, 120);
  const limits = ['--timeout', String(step.timeoutSeconds), '--rollout', plan.id];
  const start = ['start', id, ...limits, ...commandWords(action.run)];
  return {
    do: 'node',
    id: `${step.id} on ${member.node}`,
    start: encodeWords(start),
    state: encodeWords(['state', id]),
    look: encodeWords(['look']),
    isReboot: action.run.name === 'reboot',
    seconds: step.timeoutSeconds,
  };
}

function haproxiesOf(site: Site): readonly HaproxyBalancer[] {
  return site.balancers.map((balancer) => {
    if (balancer.driver !== 'haproxy' || !balancer.socket.startsWith('tcp://')) {
      throw notPossible(`the balancer ${balancer.name} of ${site.name} is no HAProxy over TCP`);
    }
    return balancer;
  });
}

function lineTo(balancer: HaproxyBalancer, text: string): BalancerLine {
  return { socket: `TCP:${balancer.socket.slice('tcp://'.length)}`, text };
}

function setLines(site: Site, member: Member, to: AdminState): BalancerLine[] {
  return haproxiesOf(site).map((balancer) => {
    const backend = balancer.memberBackend.replaceAll('{farm}', member.farm);
    return lineTo(balancer, `set server ${backend}/${member.node} state ${to}`);
  });
}

/** `show stat` of one proxy, whose lines are searched for the member's. */
function statLines(site: Site, member: Member): BalancerLine[] {
  return haproxiesOf(site).map((balancer) => {
    const backend = balancer.memberBackend.replaceAll('{farm}', member.farm);
    return lineTo(balancer, `show stat ${backend} 4 -1`);
  });
}

const STEP_TASKS: unknown = [
  {
    name: 'start {{ step.id | default(step.do) }}',
    'ansible.builtin.command': {
      argv: ['{{ rookery_step | default("/usr/local/sbin/rookery-step") }}', 'words'],
      stdin: '{{ step.start | default("") }}',
    },
    register: 'started',
    changed_when: true,
    failed_when: '"<<< rookery-step 0" not in started.stdout_lines',
    when: 'step.do == "node"',
  },
  {
    name: 'the end of {{ step.id | default(step.do) }}',
    'ansible.builtin.command': {
      argv: ['{{ rookery_step | default("/usr/local/sbin/rookery-step") }}', 'words'],
      stdin: '{{ step.state | default("") }}',
    },
    register: 'state',
    changed_when: false,
    until:
      'state.stdout_lines is defined and not (state.stdout_lines[1] | default("running")).startswith("running")',
    retries: `{{ ((step.seconds | default(0) | int) / ${POLL_SECONDS}) | int + 5 }}`,
    delay: POLL_SECONDS,
    ignore_unreachable: '{{ step.isReboot | default(false) }}',
    failed_when: '(state.stdout_lines[1] | default("")) != "done 0"',
    when: 'step.do == "node"',
  },
  {
    name: 'tell the balancers',
    'ansible.builtin.command': {
      argv: ['socat', '-', '{{ item.socket }}'],
      stdin: '{{ item.text }}',
    },
    delegate_to: 'localhost',
    connection: 'local',
    loop: '{{ step.lines | default([]) }}',
    loop_control: { label: '{{ item.text }}' },
    register: 'told',
    changed_when: true,
    failed_when: '(told.stdout | trim) != ""',
    when: 'step.do == "balancer"',
  },
  {
    name: 'wait for the balancers',
    'ansible.builtin.command': {
      argv: ['socat', '-', '{{ item.socket }}'],
      stdin: '{{ item.text }}',
    },
    delegate_to: 'localhost',
    connection: 'local',
    loop: '{{ step.places | default([]) }}',
    loop_control: { label: '{{ item.text }}' },
    register: 'stat',
    changed_when: false,
    vars: {
      row: '{{ (stat.stdout_lines | default([]) | map("split", ",") | selectattr(1, "equalto", inventory_hostname) | list | first) | default([]) }}',
    },
    until:
      '(row | length) > 18 and ((step.column == "scur" and (row[4] | int) + (row[2] | int) == 0) or (step.column == "up" and (row[17].startswith("UP") or row[17] == "no check")))',
    retries: '{{ step.seconds | default(1) | int }}',
    delay: 1,
    when: 'step.do == "await"',
  },
];

function notPossible(why: string): AppError {
  return new AppError('export-not-possible', `This plan cannot be run by Ansible: ${why}.`);
}
