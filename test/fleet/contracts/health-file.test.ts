import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { CommandBalancerDriver } from '../../../src/fleet/drivers/command-balancer.ts';
import { createCommandRunner } from '../../../src/fleet/drivers/command-runner.ts';
import { HealthFileDriver } from '../../../src/fleet/drivers/health-file.ts';
import type { BalancerChange } from '../../../src/fleet/drivers/ports.ts';
import type { AdminState } from '../../../src/fleet/plan/plan.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { makeStepNode } from '../step-node.ts';
import { MEMBERS } from './balancer.ts';
import { testSite } from './test-site.ts';

const folder = temporaryFolder();

function change(node: string, to: AdminState): BalancerChange {
  return { server: { kind: 'member', node }, to };
}

describe('a balancer that asks nodes for their health', () => {
  const balancer = { name: 'lb1', driver: 'health-file', noticedAfterSeconds: 7 } as const;
  const site = testSite([balancer]);
  const slept: number[] = [];
  let now = 0;
  const runner = createCommandRunner({
    command: ['sh', join(folder, '{node}', 'usr/local/sbin/rookery-step'), 'words'],
    concurrency: 4,
    callTimeoutMs: 20_000,
  });
  const driver = new HealthFileDriver(runner, {
    now: () => now,
    sleep: async (ms) => {
      slept.push(ms);
    },
  });
  const told = async () =>
    (await driver.read(site, balancer)).servers.map(({ to, isUp }) => [to, isUp]);

  beforeAll(async () => {
    for (const node of MEMBERS) {
      await makeStepNode(join(folder, node));
      await writeFile(join(folder, node, 'web'), '');
    }
  });

  it('is told by the nodes, and given the time to notice', async () => {
    expect(await told()).toEqual([
      ['ready', true],
      ['ready', true],
      ['ready', true],
    ]);
    await driver.set(site, balancer, [change('f1-2', 'drain')]);
    expect(slept).toEqual([7000]);
    expect(await told()).toEqual([
      ['ready', true],
      ['drain', false],
      ['ready', true],
    ]);
    await driver.set(site, balancer, [change('f1-2', 'drain')]);
    expect(slept[1]).toBeLessThanOrEqual(7000);
    await driver.set(site, balancer, [change('f1-2', 'ready')]);
    await driver.set(site, balancer, [change('f1-2', 'ready')]);
    expect(slept.slice(2)).toEqual([7000, 0]);
  });

  it('refuses what its nodes cannot do, and counts a node that is away as not up', async () => {
    const farm = { server: { kind: 'farm', farm: 'f1', backend: 'blue' }, to: 'drain' } as const;
    for (const wrong of [farm, change('f9-9', 'drain')]) {
      await expect(driver.set(site, balancer, [wrong])).rejects.toMatchObject({
        code: 'balancer-refused',
      });
    }
    now += 60_000;
    await writeFile(join(folder, 'f2-1', 'usr/local/sbin/rookery-step'), 'exit 1\n');
    expect(await told()).toEqual([
      ['ready', true],
      ['ready', true],
      ['ready', false],
    ]);
    await expect(driver.set(site, balancer, [change('f2-1', 'drain')])).rejects.toMatchObject({
      code: 'balancer-unreachable',
    });
  });
});

const PROGRAM = `
question=$(cat)
case "$1 $question" in
  'read {"site":"eu","balancer":"lb1"}') cat "$0.state" ;;
  'set {"site":"eu","balancer":"lb1","changes":[{"server":{"kind":"member","node":"f1-1"},"to":"drain"}]}')
    echo '{"incarnation":"1","servers":[{"server":{"kind":"member","node":"f1-1"},"to":"drain","isUp":true,"inFlight":2}]}' > "$0.state" ;;
  *f9-9*) echo 'there is no f9-9' >&2; exit 3 ;;
  *) exit 1 ;;
esac
`;

describe('a balancer with a program of its own', () => {
  const program = join(folder, 'program');
  const balancer = { name: 'lb1', driver: 'command', command: ['sh', program] } as const;
  const site = testSite([balancer]);
  const driver = new CommandBalancerDriver(10_000);

  it('is driven by it', async () => {
    await writeFile(program, PROGRAM);
    await driver.set(site, balancer, [change('f1-1', 'drain')]);
    expect(await driver.read(site, balancer)).toEqual({
      incarnation: '1',
      servers: [{ ...change('f1-1', 'drain'), isUp: true, inFlight: 2 }],
    });
  });

  it('refuses, or nobody knows', async () => {
    await writeFile(program, PROGRAM);
    await expect(driver.set(site, balancer, [change('f9-9', 'drain')])).rejects.toMatchObject({
      code: 'balancer-refused',
      message: 'The balancer lb1 of eu refuses: there is no f9-9',
    });
    await writeFile(`${program}.state`, '{"incarnation":"1"}');
    for (const call of [
      async () => await driver.read(site, balancer),
      async () => {
        await driver.set(site, balancer, [change('f1-1', 'maint')]);
      },
      async () => await driver.read(site, { ...balancer, command: ['/no/such/program'] }),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'balancer-unreachable' });
    }
  });
});
