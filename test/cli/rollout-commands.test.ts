import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sampleFleet } from '../http/sample-plan.ts';
import { startTestServer, type TestServer } from '../http/test-server.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type ProgramResult, runProgram } from './run-program.ts';

const folder = temporaryFolder();
const REASON = ['--reason', 'openssl 3.5'] as const;

let farm: TestServer;

beforeAll(async () => {
  farm = await startTestServer();
  await writeFile(join(folder, 'admin.token'), await farm.token('admin'));
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
async function planned(setting: string): Promise<string> {
  const words = ['rollout', 'plan', 'os', 'zen3/stable', ...REASON, '--set', setting, '--json'];
  const { stdout, stderr } = await run(words);
  const made: { readonly id?: string } = stdout === '' ? {} : JSON.parse(stdout);
  expect([stderr, made.id]).toEqual(['', expect.any(String)]);
  return made.id ?? '';
}

describe('rookery rollout plan', () => {
  it('explains the plan: stages, steps and their way back, packages, what to know before', async () => {
    const { code, stdout } = await run(['rollout', 'plan', 'os', 'zen3/stable', ...REASON]);
    expect(code).toBe(0);
    for (const text of [
      'brings zen3/stable@17',
      'to 8 nodes of 3 farms, in 4 stages',
      '- While one of three members is out, the other two bear 1.5 times their load',
      '- dev-libs/openssl (dev-libs/openssl-3.4.1 -> dev-libs/openssl-3.5.0): disruptive. libssl.so.3 is mapped',
      '1 package without an effect',
      'wave-2  wave    3      3      1 min 00 s   Member 2 of every farm',
      'How 8 units are done, such as canary/web1-1',
      'merge: merges publication 17 of zen3/stable (at most 30 min 00 s); back: merges publication 16',
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
    const words = ['rollout', 'plan', 'php', '8.4.2', '--dry-run', '--json', ...REASON];
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
    const words = ['rollout', 'plan', 'os', 'zen3/stable', ...REASON, '--set', setting];
    const { code, stderr } = await run(words);
    expect([code, stderr]).toEqual([1, expect.stringContaining(sentence)]);
  });

  it('says everything that is in the way of a plan', async () => {
    const { code, stderr } = await run(['rollout', 'plan', 'os', 'lost/stable', ...REASON]);
    expect(code).toBe(1);
    expect(stderr.split('\n').slice(0, 2)).toEqual([
      '- lost: There is no channel lost. [target-unknown]',
      '- web1-2: It has not reported for 3 h. [node-stale]',
    ]);
    expect(stderr).toContain('[rollout-refused]');
  });
});

describe('rookery rollout', () => {
  it('approves, starts, pauses, resumes and aborts, and says why it waits', async () => {
    const id = await planned('drain-seconds=21');
    const short = id.slice(0, 12);
    const outs = [
      await run(['rollout', 'approve', short]),
      await run(['rollout', 'start', short]),
      await run(['rollout', 'pause', short, '--reason', 'Errors on web7.']),
      await run(['rollout', 'why', short]),
      await run(['rollout', 'resume', short]),
    ].map(({ stdout }) => stdout.split('\n')[0]);
    expect(outs).toEqual([
      `${short} draft. start is approved.`,
      `${short} running. It has begun.`,
      `${short} paused: Errors on web7.. What is under way is finished.`,
      'It is paused: Errors on web7.',
      `${short} running. It goes on.`,
    ]);
    await farm.rollouts.advance(id);
    await farm.rollouts.hold(id, 'canary/web1-1', 'It does not boot.');
    expect((await run(['fleet', 'held'])).stdout).toContain(`web1-1  ${short}`);
    const { stdout } = await run(['rollout', 'show', short, '--units']);
    expect(stdout).toMatch(/canary\/web1-1 +held +drain .*web1-1 +It does not boot\./);
    const freed = await run(['fleet', 'release', 'web1-1', '--reason', 'New disk.']);
    expect(freed.stdout).toBe('web1-1 is free: rollouts may touch it again.\n');
    expect((await run(['fleet', 'held'])).stdout).toBe('No node is held.\n');
    const aborted = await run(['rollout', 'abort', short, '--reason', 'Wrong release.']);
    expect(aborted.stdout).toContain('1 held, 7 skipped');
    expect((await run(['rollout', 'list'])).stdout).toContain(short);
    const back = await run(['rollout', 'rollback', short, '--reason', '502s']);
    expect(back.stdout).toContain(`takes back ${id}`);
  });

  it('is watched in lines to its end where no terminal is', async () => {
    const id = await planned('drain-seconds=22');
    await run(['rollout', 'approve', id]);
    const watching = run(['rollout', 'start', id, '--follow']);
    await toTheEnd(id);
    const { code, stdout } = await watching;
    expect(code).toBe(0);
    expect(stdout).toContain('rollout-started');
    expect(stdout.trimEnd().split('\n').at(-1)).toBe(`${id.slice(0, 12)} done: 8 done`);
  });

  it('is watched on a terminal as farms whose members change their letters', async () => {
    const id = await planned('drain-seconds=23');
    await run(['rollout', 'approve', id]);
    await run(['rollout', 'start', id]);
    const watching = run(['rollout', 'watch', id], { columns: 100, rows: 30 });
    await farm.rollouts.advance(id);
    await farm.rollouts.hold(id, 'wave-3/web2-3', 'It does not boot.');
    await toTheEnd(id);
    const { code, stderr } = await watching;
    expect([code, stderr]).toEqual([1, expect.stringContaining('[rollout-not-done]')]);
    // oxlint-disable-next-line no-control-regex -- colours are left out
    const plain = stderr.replaceAll(/\u001b\[[0-9;]*m/g, '');
    expect(plain).toContain('farm   1  2  3');
    expect(plain).toMatch(/web1 +\+  \+  \+/);
    expect(plain).toMatch(/web2 +\+  \+  H/);
    expect(plain).toMatch(/web3 +\+  \+\n/);
    expect(plain).toContain('failed 1, 2 are borne');
  });
});

describe('rookery rollout export ansible', () => {
  it('writes what ansible-playbook takes, and never over a file that is there', async () => {
    const { revision } = await farm.context.inventories.import({
      format: 'toml',
      files: [{ name: 'fleet.toml', text: sampleFleet() }],
      author: 'test',
      reason: 'test',
      isDry: false,
    });
    farm.rollouts.inventory = revision.digest;
    const id = await planned('drain-seconds=24');
    const words = ['rollout', 'export', 'ansible', id.slice(0, 12), '--to', 'plans/one'];
    const made = await run(words);
    expect([made.code, made.stdout]).toEqual([
      0,
      'inventory.json, playbook.yml, step.yml are in plans/one.\n',
    ]);
    const read = async (name: string) => await readFile(join(folder, 'plans/one', name), 'utf8');
    expect(JSON.parse(await read('playbook.yml'))).toHaveLength(4);
    expect(JSON.parse(await read('inventory.json'))).toMatchObject({
      stage_1: { hosts: { 'web1-1': {} } },
    });
    await rm(join(folder, 'plans/one/inventory.json'));
    await writeFile(join(folder, 'plans/one/step.yml'), 'mine');
    const again = await run(words);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('[export-exists]')]);
    expect(await read('step.yml')).toBe('mine');
    await expect(read('inventory.json')).rejects.toThrow('ENOENT');
  });
});

async function toTheEnd(id: string): Promise<void> {
  await poll('the start', async () => {
    return (await farm.rollouts.get(id)).state === 'running' || undefined;
  });
  for (let turn = 0; turn < 60 && (await farm.rollouts.get(id)).state === 'running'; turn += 1) {
    await farm.rollouts.advance(id);
  }
}
