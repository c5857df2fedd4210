import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { HaproxyDriver } from '../../src/fleet/drivers/haproxy.ts';
import { HaproxySockets } from '../../src/fleet/drivers/haproxy-socket.ts';
import { ansibleFiles } from '../../src/fleet/export/ansible.ts';
import type { Site } from '../../src/fleet/inventory/inventory.ts';
import type { RolloutPlan, Step, Unit } from '../../src/fleet/plan/plan.ts';
import { DEFAULT_POLICY } from '../../src/fleet/plan/policy.ts';
import { exists, readTextIfPresent } from '../../src/support/files.ts';
import { run, toolEnvironment } from '../../src/support/processes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { NAMES, startHaproxy } from './contracts/haproxy.ts';
import { startMember } from './contracts/member-server.ts';
import { testSite } from './contracts/test-site.ts';
import { makeStepNode } from './step-node.ts';

const folder = temporaryFolder();

function unit(stage: string, node: string): Unit {
  const nodes = [node];
  const step = (id: string, action: Step['action']): Step => ({
    id,
    action,
    timeoutSeconds: 30,
    undo: [],
  });
  return {
    id: `${stage}/${node}`,
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

/** All members 1, then the member 2 that there is. */
function planOf(): RolloutPlan {
  const stage = (id: string, nodes: readonly string[]) => ({
    id,
    type: 'wave' as const,
    title: id,
    units: nodes.map((node) => unit(id, node)),
    soakSeconds: 0,
  });
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

const siteAt = (socket: string): Site => testSite([{ name: 'lb1', socket, ...NAMES }]);

describe('a plan for Ansible', () => {
  it('has a play for each stage, in order, for the nodes of its units', () => {
    const files = ansibleFiles(planOf(), { sites: [siteAt('tcp://127.0.0.1:9')] });
    expect(JSON.parse(files['playbook.yml'])).toMatchObject([
      { hosts: 'stage_1', any_errors_fatal: true, serial: '100%' },
      { hosts: 'stage_2' },
    ]);
    expect(JSON.parse(files['inventory.json'])).toMatchObject({
      stage_1: { hosts: ['f1-1', 'f2-1'] },
      stage_2: { hosts: ['f1-2'] },
      _meta: { hostvars: { 'f1-2': { ansible_user: 'root' } } },
    });
  });

  it('is refused where Ansible could not hold to it', () => {
    const plan = planOf();
    expect(() => ansibleFiles(plan, { sites: [siteAt('ssh://lb1/run/s')] })).toThrow(
      'This plan cannot be run by Ansible: the balancer lb1 of eu is no HAProxy over TCP.',
    );
    expect(() => ansibleFiles(plan, { sites: [] })).toThrow('is not one node of the inventory');
  });
});

const found = await run(
  ['sh', '-c', 'command -v ansible-playbook && command -v socat && command -v haproxy'],
  { env: toolEnvironment() },
);
const title = 'ansible-playbook runs a plan';
(found.exitCode === 0 ? describe : describe.skip)(
  found.exitCode === 0 ? title : `${title} (skipped: no ansible-playbook, socat or haproxy)`,
  () => {
    it('stage by stage, each step once', async () => {
      const place = await mkdtemp(join(folder, 'run-'));
      const members = new Map<string, Awaited<ReturnType<typeof startMember>>>();
      const programs: Record<string, unknown> = {};
      for (const node of ['f1-1', 'f1-2', 'f2-1']) {
        members.set(node, await startMember(node));
        const made = await makeStepNode(join(place, node));
        await made.set(`start-command = touch ${made.prefix}/web; echo ${node} >> ${place}/order`);
        programs[node] = { ansible_connection: 'local', rookery_step: made.program };
      }
      const ports = new Map([...members].map(([node, { port }]) => [node, port]));
      const haproxy = await startHaproxy(join(place, 'ha'), ports);
      try {
        const site = siteAt(haproxy.tcpSocket);
        const files = ansibleFiles(planOf(), { sites: [site] });
        for (const [name, text] of Object.entries(files)) {
          await writeFile(join(place, name), text);
        }
        await writeFile(join(place, 'local.json'), JSON.stringify({ all: { hosts: programs } }));
        const play = async () =>
          await run(
            ['ansible-playbook', '-i', 'local.json', '-i', 'inventory.json', 'playbook.yml'],
            {
              env: { ...toolEnvironment(), ANSIBLE_NOCOLOR: '1', HOME: place },
              cwd: place,
              timeoutMs: 170_000,
            },
          );
        const first = await play();
        expect([first.exitCode, first.stdout.toString().slice(-3000)]).toEqual([
          0,
          expect.any(String),
        ]);
        const order = (await readTextIfPresent(join(place, 'order')))?.trim().split('\n') ?? [];
        expect([order.slice(0, 2).toSorted(), order.slice(2)]).toEqual([
          ['f1-1', 'f2-1'],
          ['f1-2'],
        ]);
        expect(await exists(join(place, 'f1-2/web'))).toBe(true);
        const ssh = {
          identityFile: null,
          knownHostsFile: '/dev/null',
          configFile: null,
          connectTimeoutSeconds: 1,
          keepSeconds: 1,
        };
        const driver = new HaproxyDriver(new HaproxySockets(ssh, 5000));
        const { servers } = await driver.read(
          site,
          site.balancers[0] ?? { name: '', driver: 'command', command: [] },
        );
        expect(servers.every(({ to }) => to === 'ready')).toBe(true);
      } finally {
        await haproxy.stop();
        await Promise.all([...members.values()].map(async (member) => await member.close()));
      }
    }, 240_000);
  },
);
