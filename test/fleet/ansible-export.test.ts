import { describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { ansibleFiles } from '../../src/fleet/export/ansible.ts';
import type { Site } from '../../src/fleet/inventory/inventory.ts';
import type { RolloutPlan, Stage, Step, Unit } from '../../src/fleet/plan/plan.ts';
import { DEFAULT_POLICY } from '../../src/fleet/plan/policy.ts';
import { NAMES } from './contracts/haproxy.ts';
import { testSite } from './contracts/test-site.ts';

function step(id: string, action: Step['action']): Step {
  return { id, action, timeoutSeconds: 30, undo: [] };
}

function unit(wave: string, node: string): Unit {
  const nodes = [node];
  return {
    id: `${wave}/${node}`,
    site: 'eu',
    farm: node.slice(0, 2),
    nodes,
    steps: [
      step('drain', { do: 'set-members', nodes, to: 'drain' }),
      step('idle', { do: 'await-idle', nodes, farm: null }),
      step('stop', { do: 'node', nodes, run: { name: 'stop-web' } }),
      step('start', { do: 'node', nodes, run: { name: 'start-web' } }),
      step('ready', { do: 'set-members', nodes, to: 'ready' }),
      step('serving', { do: 'await-serving', nodes, farm: null }),
    ],
  };
}

function stage(id: string, nodes: readonly string[]): Stage {
  const units = nodes.map((node) => unit(id, node));
  return { id, type: 'wave', title: id, units, soakSeconds: 0 };
}

/** All members 1, then the member 2 that there is. */
function planOf(): RolloutPlan {
  return {
    format: 1,
    id: 'a'.repeat(64),
    kind: 'os-disruptive',
    artefacts: { publications: [], trees: [], release: null },
    inventory: 'b'.repeat(64),
    policy: DEFAULT_POLICY,
    stages: [stage('wave-1', ['f1-1', 'f2-1']), stage('wave-2', ['f1-2'])],
    impact: [],
    reverses: null,
    remarks: [],
  };
}

const inventorySchema = z.object({
  all: z.object({
    hosts: z.record(
      z.string(),
      z.object({
        rookery_stage_1: z
          .object({
            last: z.string(),
            steps: z.array(z.object({ id: z.string(), do: z.string(), isBack: z.boolean() })),
          })
          .optional(),
      }),
    ),
  }),
});

const siteAt = (socket: string): Site => testSite([{ name: 'lb1', socket, ...NAMES }]);

describe('a plan for Ansible', () => {
  it('has a play for each stage, in order, for the nodes of its units', () => {
    const files = ansibleFiles(planOf(), { sites: [siteAt('tcp://127.0.0.1:9')] });
    expect(JSON.parse(files['playbook.yml'])).toMatchObject([
      { hosts: 'stage_1', any_errors_fatal: true, serial: '100%' },
      { hosts: 'stage_2' },
    ]);
    expect(JSON.parse(files['inventory.json'])).toMatchObject({
      stage_1: { hosts: { 'f1-1': {}, 'f2-1': {} } },
      stage_2: { hosts: { 'f1-2': {} } },
      all: { hosts: { 'f1-2': { ansible_user: 'root' } } },
    });
  });

  it('has the steps of each unit, what asks whether it was done, and that the others serve before one leaves', () => {
    const { 'inventory.json': text } = ansibleFiles(planOf(), {
      sites: [siteAt('tcp://127.0.0.1:9')],
    });
    const { all } = inventorySchema.parse(JSON.parse(text));
    const first = all.hosts['f1-1']?.rookery_stage_1;
    expect(first?.last).toContain('start@AGAIN@\n.');
    expect(first?.steps.map((one) => [one.id, one.do, one.isBack])).toEqual([
      ['f1 can spare f1-1', 'await', false],
      ['drain of f1-1', 'balancer', false],
      ['idle of f1-1', 'await', false],
      ['stop of f1-1', 'node', false],
      ['start of f1-1', 'node', false],
      ['ready of f1-1', 'balancer', true],
      ['serving of f1-1', 'await', true],
    ]);
    expect(all.hosts['f1-2']).not.toHaveProperty('rookery_stage_1');
  });

  it('watches behind a stage for as long as the plan says', () => {
    const plan = planOf();
    const [first, ...rest] = plan.stages.map((one) => ({ ...one, soakSeconds: 60 }));
    const stages = first === undefined ? [] : [{ ...first, soakSeconds: 600 }, ...rest];
    const { 'playbook.yml': text } = ansibleFiles(
      { ...plan, stages },
      { sites: [siteAt('tcp://127.0.0.1:9')] },
    );
    expect(JSON.parse(text)).toMatchObject(
      [600, 60].map((seconds) => ({ post_tasks: [{ 'ansible.builtin.pause': { seconds } }] })),
    );
  });

  it('is refused where Ansible could not hold to it', () => {
    const plan = planOf();
    expect(() => ansibleFiles(plan, { sites: [siteAt('ssh://lb1/run/s')] })).toThrow(
      'This plan cannot be run by Ansible: the balancer lb1 of eu is no HAProxy over TCP.',
    );
    expect(() => ansibleFiles(plan, { sites: [] })).toThrow('is not one node of the inventory');
    const odd = testSite([
      { name: 'lb1', socket: 'tcp://127.0.0.1:9', ...NAMES, memberBackend: "m'{farm}" },
    ]);
    expect(() => ansibleFiles(plan, { sites: [odd] })).toThrow(
      `"m'f1" has to be quoted for a shell`,
    );
    const site = siteAt('tcp://127.0.0.1:9');
    const farms = site.farms.map((farm) => ({
      ...farm,
      members: farm.members.map((one) => ({ ...one, ssh: { ...one.ssh, user: '{{ evil }}' } })),
    }));
    expect(() => ansibleFiles(plan, { sites: [{ ...site, farms }] })).toThrow(
      'it would take "ansible_user": "{{ evil }}" for an expression',
    );
  });
});
