import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { hanging, type RolloutServer, startRolloutServer } from '../http/rollout-server.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type ProgramResult, runProgram } from './run-program.ts';

const folder = temporaryFolder();
const REASON = ['--reason', 'openssl 3.5'] as const;
const PLAN = ['rollout', 'plan', 'os', 'web/testing@2', ...REASON] as const;

let farm: RolloutServer;

beforeAll(async () => {
  farm = await startRolloutServer(join(folder, 'farm'));
  await writeFile(join(folder, 'admin.token'), farm.admin);
});

afterAll(async () => {
  await farm.close();
});

async function run(
  words: readonly string[],
  terminal?: { readonly columns: number; readonly rows: number },
): Promise<ProgramResult> {
  return await runProgram(words, {
    env: { ROOKERY_SERVER: farm.url, ROOKERY_TOKEN_FILE: join(folder, 'admin.token') },
    cwd: folder,
    ...(terminal === undefined ? {} : { terminal }),
  });
}

/** A draft with a policy of its own, and so an id of its own. */
async function planned(...settings: readonly string[]): Promise<string> {
  await farm.report();
  const { stdout, stderr } = await run([
    ...PLAN,
    ...[...settings, 'canary-soak-seconds=20', 'soak-seconds=10'].flatMap((setting) => [
      '--set',
      setting,
    ]),
    '--json',
  ]);
  const made: { readonly id?: string } = stdout === '' ? {} : JSON.parse(stdout);
  expect([stderr, made.id]).toEqual(['', expect.any(String)]);
  return made.id ?? '';
}

describe('rookery rollout plan', () => {
  it('explains the plan: stages, steps and their way back, packages, what to know before', async () => {
    await farm.report();
    const { code, stdout } = await run(PLAN);
    expect(code).toBe(0);
    for (const text of [
      'brings web/testing@2',
      'to 8 nodes of 3 farms, in 5 stages',
      '- dev-libs/openssl (dev-libs/openssl-3.4.1 -> dev-libs/openssl-3.5.0): disruptive. libssl.so.3 is mapped',
      '1 package without an effect',
      'wave-2    wave      3      3      1 min 00 s   members 2',
      'How 8 units are done, such as canary/web1-1',
      'merge: merges publication 2 of web/testing (at most 1 h 00 min); back: merges publication 1',
      'failures that are borne: 0 of a farm, 1 of a profile, 2 in all; canaries none',
      'start: missing; rookery rollout approve',
    ]) {
      expect(stdout).toContain(text);
    }
  });

  it('takes a policy of a file and of the command line, and sends only what is different', async () => {
    await writeFile(
      join(folder, 'careful.toml'),
      'waves = [0.5, 1]\n[limits]\nper-rack = 1\ntotal = "none"\n[budget]\ntotal = 4\n',
    );
    const settings = ['budget.total=0', 'gates=peers,alerts', 'php-drain=false', 'snapshot=none'];
    await farm.report();
    const words = [...PLAN, '--dry-run', '--json'];
    const given = settings.flatMap((setting) => ['--set', setting]);
    const { stdout } = await run([...words, '--policy', 'careful.toml', ...given]);
    const { policy } = JSON.parse(stdout).plan;
    expect(policy).toMatchObject({
      waves: [0.5, 1],
      limits: { total: null, perSite: null, perRack: 1 },
      budget: { perFarm: 0, perProfile: 1, total: 0 },
      gates: ['peers', 'alerts'],
      phpDrain: false,
      snapshot: 'none',
    });
  });

  it.each([
    ['budget.totl=3', 'Did you mean "budget.total"? [policy-key-unknown]'],
    ['drainSeconds=3', 'Did you mean "drain-seconds"? [policy-key-unknown]'],
    ['barrier=loose', '"barrier" cannot be "loose": it is strict or farm. [policy-value-invalid]'],
    ['waves=2', 'a list of parts above 0 and at most 1, such as 0.01,0.25,1. [policy-value'],
    ['limits.total=0', 'a whole number from 1 on, or none. [policy-value-invalid]'],
    ['soak', '--set takes key=value, such as "budget.total=3", not "soak". [policy-value-invalid]'],
  ])('refuses --set %s with a sentence that helps', async (setting, sentence) => {
    const { code, stderr } = await run([...PLAN, '--set', setting]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(sentence)]);
  });

  it('says everything that is in the way of a plan', async () => {
    await farm.report();
    const { code, stderr } = await run([...PLAN, '--site', 'rome', '--node', 'web1-9']);
    expect(code).toBe(1);
    expect(stderr.split('\n').slice(0, 2)).toEqual([
      '- rome: The inventory has no site "rome". [scope-unknown]',
      '- web1-9: The inventory has no node "web1-9". [scope-unknown]',
    ]);
    expect(stderr).toContain('[rollout-refused]');
  });
});

describe('rookery rollout', () => {
  afterEach(async () => {
    await farm.reset();
  });

  it('approves, starts, pauses, resumes and aborts, and says why it waits', async () => {
    const id = await planned('drain-seconds=21');
    const short = id.slice(0, 12);
    const first = async (...words: readonly string[]): Promise<string | undefined> =>
      (await run(['rollout', ...words])).stdout.split('\n')[0];
    expect(await first('why', short)).toBe('Somebody has to approve it: start.');
    expect(await first('approve', short)).toBe(`${short} draft. start is approved.`);
    expect(await first('start', short)).toBe(`${short} running. It has begun.`);
    await farm.reaches(id, 'canary/web1-1', 'merge');
    await farm.pass(6000);
    expect(await first('why', short)).toBe('canary/web1-1: canary/web1-1 is at merge.');
    expect(await first('pause', short, '--reason', 'Errors on web7.')).toBe(
      `${short} paused: Errors on web7.. What is under way is finished.`,
    );
    expect(await first('why', short)).toBe('Errors on web7.');
    expect(await first('resume', short)).toBe(`${short} running. It goes on.`);
    const aborted = await run(['rollout', 'abort', short, '--reason', 'Wrong release.']);
    expect(aborted.stdout).toContain('aborting: Wrong release.');
    await farm.ends(id);
    expect((await run(['rollout', 'list'])).stdout).toContain(short);
    const { stdout } = await run(['rollout', 'show', short, '--units']);
    expect(stdout).toMatch(/canary\/web1-1 +undone .*The rollout was aborted\./);
  });

  it('holds a node that nobody knows about until somebody gives it free, and takes back the rest', async () => {
    farm.fates.step = hanging('web2-3', 'stop-web');
    const id = await planned('drain-seconds=24', 'budget.per-farm=1');
    const short = id.slice(0, 12);
    await run(['rollout', 'approve', short]);
    await run(['rollout', 'start', short]);
    await farm.ends(id);
    expect((await run(['fleet', 'held'])).stdout).toContain(`web2-3  ${short}`);
    const { stdout } = await run(['rollout', 'show', short, '--units']);
    expect(stdout).toMatch(/wave-3\/web2-3 +held +stop .*web2-3 +stop: web2-3 is still at it/);
    const freed = await farm.during(run(['fleet', 'release', 'web2-3', '--reason', 'New disk.']));
    expect(freed.stdout).toBe('web2-3 is free: rollouts may touch it again.\n');
    expect((await run(['fleet', 'held'])).stdout).toBe('No node is held.\n');
    await farm.report();
    const back = await run(['rollout', 'rollback', short, '--reason', '502s']);
    expect([back.stderr, back.stdout]).toEqual(['', expect.stringContaining(`takes back ${id}`)]);
  });

  it('is watched in lines to its end where no terminal is', async () => {
    const id = await planned('drain-seconds=22');
    await run(['rollout', 'approve', id]);
    const watching = run(['rollout', 'start', id, '--follow']);
    await poll('the start', async () => {
      return (await farm.engine.rollouts.get(id)).state === 'running' || undefined;
    });
    await farm.ends(id);
    const { code, stdout } = await watching;
    expect(code).toBe(0);
    expect(stdout).toContain('rollout-stage-ended  (stage canary)');
    expect(stdout.trimEnd().split('\n').at(-1)).toBe(`${id.slice(0, 12)} done: 16 done`);
  });

  it('is watched on a terminal as farms whose members change their letters', async () => {
    farm.fates.step = hanging('web2-3', 'stop-web');
    const id = await planned('drain-seconds=23', 'budget.per-farm=1');
    await run(['rollout', 'approve', id]);
    await run(['rollout', 'start', id]);
    const watching = run(['rollout', 'watch', id], { columns: 100, rows: 30 });
    await farm.ends(id);
    const { code, stderr } = await watching;
    expect([code, stderr]).toEqual([1, expect.stringContaining('[rollout-not-done]')]);
    // oxlint-disable-next-line no-control-regex -- colours are left out
    const plain = stderr.replaceAll(/\u001b\[[0-9;]*m/g, '');
    expect(plain).toContain('farm   1  2  3');
    expect(plain).toMatch(/web1 +\+  \+  \+/);
    expect(plain).toMatch(/web2 +\+  \+  H/);
    expect(plain).toMatch(/web3 +\+  \+\n/);
    expect(plain).toContain('failed 1, 2 are borne');
    await farm.during(run(['fleet', 'release', 'web2-3', '--reason', 'New disk.']));
  });
});

describe('rookery rollout export ansible', () => {
  it('writes what ansible-playbook takes, and never over a file that is there', async () => {
    const id = await planned('drain-seconds=25');
    const words = ['rollout', 'export', 'ansible', id.slice(0, 12), '--to', 'plans/one'];
    const made = await run(words);
    expect([made.code, made.stdout]).toEqual([
      0,
      'inventory.json, playbook.yml, await.yml, balancer.yml, look.yml, node.yml, reconnect.yml are in plans/one.\n',
    ]);
    const read = async (name: string) => await readFile(join(folder, 'plans/one', name), 'utf8');
    expect(JSON.parse(await read('playbook.yml'))).toHaveLength(5);
    expect(JSON.parse(await read('inventory.json'))).toMatchObject({
      stage_2: { hosts: { 'web1-1': {} } },
    });
    await rm(join(folder, 'plans/one/inventory.json'));
    await writeFile(join(folder, 'plans/one/node.yml'), 'mine');
    const again = await run(words);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('[export-exists]')]);
    expect(await read('node.yml')).toBe('mine');
    await expect(read('inventory.json')).rejects.toThrow('ENOENT');
  });
});
