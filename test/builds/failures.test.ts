import { describe, expect, it } from '@jest/globals';
import type { BuildSettings } from '../../src/builds/builds-context.ts';
import { poll } from '../support/poll.ts';
import {
  type Farm,
  makePlan,
  makeProfile,
  makeRecipe,
  planPackage,
  sourceProfile,
} from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();
const SLOWLY: Partial<BuildSettings> = {
  retry: { initialMs: 30_000, maximumMs: 1_800_000 },
  leaseMs: 40_000,
};

async function farmOf(
  agents: readonly string[],
  settings: Partial<BuildSettings> = {},
): Promise<Farm> {
  const farm = await newFarm([makeProfile()], settings);
  for (const agent of agents) {
    await farm.agent(agent);
  }
  return farm;
}

/** The agents are heard of, however much time has passed. */
async function pass(farm: Farm, ms: number, agents: readonly string[]): Promise<void> {
  farm.clock.advance(ms);
  for (const agent of agents) {
    await farm.agent(agent);
  }
}

function kinds(farm: Farm): string[] {
  return farm.events.map(({ kind }) => kind);
}

/** `a/b-1` has failed for good. */
async function blocked(): Promise<Farm> {
  const farm = await farmOf(['one']);
  const plan = makePlan(['a/b-1', 'a/c-1'], [['a/c-1', 'a/b-1', 'buildtime']]);
  const request = await farm.plan(plan);
  await farm.fail((await farm.take('one')).key, 'gcc said no.');
  await farm.finished(request.id);
  return farm;
}

describe('a package that fails', () => {
  it('is tried once more, on another agent, and is blocked with both logs when it fails there', async () => {
    const farm = await farmOf(['one', 'two']);
    const plan = makePlan(['a/b-1', 'a/c-1'], [['a/c-1', 'a/b-1', 'buildtime']]);
    const request = await farm.plan(plan);
    const first = await farm.take('one');
    await farm.builds.appendLog(first.key, 0, Buffer.from('log of one'));
    await farm.fail(first.key, 'gcc said no.');
    expect((await farm.jobs(request.id))['a/b-1']).toMatchObject({ state: 'ready' });
    expect(await farm.lease('one')).toBeUndefined();
    const second = await farm.take('two');
    await farm.builds.appendLog(second.key, 0, Buffer.from('log of two'));
    await farm.fail(second.key, 'gcc said no again.');

    const job = (await farm.jobs(request.id))['a/b-1'];
    expect(job).toMatchObject({
      state: 'failed',
      reason: 'gcc said no again. It failed on one (attempt 1) as well.',
    });
    expect(await farm.states(request.id)).toEqual({ 'a/b-1': 'failed', 'a/c-1': 'skipped' });
    expect(await farm.builds.attemptsOf(job?.id ?? '')).toMatchObject([
      { attempt: 1, agent: 'one', outcome: 'failed', fault: 'package', reason: 'gcc said no.' },
      { attempt: 2, agent: 'two', outcome: 'failed', fault: 'package', code: 'build-failed' },
    ]);
    const logs = await Promise.all(
      [1, 2].map(async (attempt) =>
        farm.builds.readLog(first.jobId, { attempt, offset: 0, maxBytes: 100 }),
      ),
    );
    expect(logs.map(({ bytes }) => String(bytes))).toEqual(['log of one', 'log of two']);
    expect(await farm.builds.listBlocked('web')).toMatchObject([
      { cpv: 'a/b-1', jobId: first.jobId, reason: job?.reason },
    ]);
    expect(kinds(farm).filter((kind) => kind === 'package-blocked')).toHaveLength(1);
  });

  it('on the only agent is blocked at once', async () => {
    const farm = await farmOf(['one']);
    const request = await farm.plan(makePlan(['a/b-1']));
    await farm.fail((await farm.take('one')).key);
    expect((await farm.finished(request.id)).state).toBe('failed');
    expect(await farm.builds.listBlocked()).toHaveLength(1);
  });

  it('succeeds on the second agent, and is not blocked', async () => {
    const farm = await farmOf(['one', 'two']);
    const request = await farm.plan(makePlan(['a/b-1']));
    await farm.fail((await farm.take('one')).key);
    await farm.build(await farm.take('two'));
    expect((await farm.finished(request.id)).state).toBe('done');
    expect(await farm.builds.listBlocked()).toEqual([]);
  });

  it('goes back to the first agent when the second is gone, after the back-off', async () => {
    const farm = await farmOf(['one', 'two'], SLOWLY);
    const request = await farm.plan(makePlan(['a/b-1']));
    await farm.fail((await farm.take('one')).key);
    await farm.forget('two');
    expect(await farm.lease('one')).toBeUndefined();
    await pass(farm, 30_001, ['one']);
    await farm.fail((await farm.take('one')).key);
    expect((await farm.finished(request.id)).state).toBe('failed');
  });
});

describe('a package that is blocked', () => {
  it('fails the next request for it at once, saying why, with all that needs it', async () => {
    const farm = await blocked();
    const [block] = await farm.builds.listBlocked();
    const plan = makePlan(['a/b-1', 'a/c-1'], [['a/c-1', 'a/b-1', 'buildtime']]);
    const request = await farm.plan(plan, 'testing');
    const ended = await farm.finished(request.id);
    expect(ended).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('gcc said no.'),
    });
    expect(await farm.states(request.id)).toEqual({ 'a/b-1': 'failed', 'a/c-1': 'skipped' });
    const { reason } = (await farm.jobs(request.id))['a/b-1'] ?? {};
    expect(reason).toContain(`failed before, in ${block?.jobId}`);
    expect(reason).toContain('rookery build unblock web a/b-1');
    expect(await farm.lease('one')).toBeUndefined();
  });

  it.each<[string, Parameters<typeof makePlan>]>([
    ['other USE flags', [[planPackage('a/b-1', { use: ['ssl'] })]]],
    ['another ebuild', [[planPackage('a/b-1', { source: 'other' })]]],
    [
      'another version of what it is built with',
      [
        [planPackage('a/b-1'), planPackage('a/d-2', { type: 'installed', buildTime: 1 })],
        [['a/b-1', 'a/d-2', 'buildtime']],
      ],
    ],
  ])('is built again with %s', async (_what, plan) => {
    const farm = await blocked();
    await farm.plan(makePlan(...plan));
    expect((await farm.take('one')).work).toMatchObject({ cpv: 'a/b-1' });
  });

  it('stays blocked when what it is built with was only built again', async () => {
    const farm = await farmOf(['one']);
    const built = { type: 'binary', buildId: 7, buildTime: 1 } as const;
    const edges = [['a/b-1', 'a/d-2', 'buildtime']] as const;
    await farm.plan(makePlan(['a/d-2', 'a/b-1'], edges));
    await farm.build(await farm.take('one'));
    await farm.fail((await farm.take('one')).key);
    const [known] = await farm.repository.packagesByCpv('web', 'a/d-2');
    const again = planPackage('a/d-2', { ...built, buildId: known?.buildId ?? 0 });
    const request = await farm.plan(makePlan([again, 'a/b-1'], edges));
    expect((await farm.finished(request.id)).state).toBe('failed');
  });

  it('is built again after it was unblocked, by name or by version', async () => {
    const farm = await blocked();
    const unblock = async (name: string): Promise<unknown> =>
      await farm.builds.unblock({ profile: 'web', packages: [name] }, 'token:ops');
    await expect(unblock('a/other')).rejects.toMatchObject({
      code: 'not-blocked',
      message: expect.stringContaining('a/other'),
    });
    await expect(
      farm.builds.unblock({ profile: 'other', packages: ['a/b'] }, 'token:ops'),
    ).rejects.toMatchObject({ code: 'not-blocked' });
    expect(await unblock('a/b')).toMatchObject([{ cpv: 'a/b-1' }]);
    expect(farm.events.at(-1)).toMatchObject({ kind: 'package-unblocked', actor: 'token:ops' });
    expect(await farm.builds.listBlocked()).toEqual([]);
    await farm.plan(makePlan(['a/b-1']));
    await farm.fail((await farm.take('one')).key);
    expect(await unblock('a/b-1')).toHaveLength(1);
  });

  it('is built again when the request asks for that, and stays blocked for others until then', async () => {
    const farm = await blocked();
    const request = await farm.builds.createRequest({
      profile: 'web',
      atoms: ['a/b'],
      author: 't',
      retry: true,
    });
    const lease = await farm.take('one');
    await farm.builds.acceptPlan(lease.key, makePlan(['a/b-1']));
    await farm.builds.acceptResult(lease.key, { outcome: 'succeeded' });
    await farm.build(await farm.take('one'));
    expect((await farm.finished(request.id)).state).toBe('done');
    expect(await farm.builds.listBlocked()).toEqual([]);
  });

  it('is known by its recipe and source with the source executor', async () => {
    const farm = await newFarm([sourceProfile([makeRecipe('app-misc/x-1')])]);
    await farm.agent('one');
    const wanted = { profile: 'php', atoms: ['app-misc/x'], author: 't' };
    const first = await farm.builds.createRequest(wanted);
    await farm.fail((await farm.take('one')).key);
    await farm.finished(first.id);
    const second = await farm.builds.createRequest(wanted);
    expect(second).toMatchObject({ state: 'failed' });
    await farm.builds.createRequest({ ...wanted, retry: true });
    expect((await farm.take('one')).work.kind).toBe('source-package');
  });
});

describe('a machine that fails', () => {
  it('gives the job to another, and the package is not blamed', async () => {
    const farm = await farmOf(['one', 'two']);
    const request = await farm.plan(makePlan(['a/b-1']));
    await farm.fail((await farm.take('one')).key, 'No space left on device.', 'disk-full');
    expect(await farm.lease('one')).toBeUndefined();
    await farm.fail((await farm.take('two')).key, 'The compiler said no.');
    // That was the package's first failure; nobody is left who has not had it.
    const ended = await farm.finished(request.id);
    expect(ended.state).toBe('failed');
    expect(await farm.builds.listBlocked()).toHaveLength(1);
  });

  it('that is alone is tried again, ever more slowly, and the job fails without being blocked', async () => {
    const farm = await farmOf(['one'], SLOWLY);
    const request = await farm.plan(makePlan(['a/b-1']));
    for (const waitMs of [30_000, 60_000]) {
      await farm.fail((await farm.take('one')).key, 'No network.', 'fetch-failed');
      await pass(farm, waitMs * 0.8 - 1, ['one']);
      expect(await farm.lease('one')).toBeUndefined();
      await pass(farm, waitMs * 0.2 + 1, ['one']);
    }
    await farm.fail((await farm.take('one')).key, 'No network.', 'fetch-failed');
    const ended = await farm.finished(request.id);
    expect(ended.reason).toContain('3 attempts were lost in all. On the agent one: No network.');
    expect(await farm.builds.listBlocked()).toEqual([]);
  });

  it('that vanishes leaves the job to another while there is one', async () => {
    const farm = await farmOf(['one', 'two'], { leaseMs: 40_000 });
    await farm.plan(makePlan(['a/b-1']));
    const { key } = await farm.take('one');
    await farm.builds.heartbeat(key);
    await pass(farm, 40_001, ['one', 'two']);
    expect(await farm.lease('one')).toBeUndefined();
    expect((await farm.take('two')).attempt).toBe(2);
  });

  it('makes an agent that waits get the job as soon as the back-off is over', async () => {
    const farm = await farmOf(['one'], { ...SLOWLY, heartbeatMs: 10 });
    await farm.plan(makePlan(['a/b-1']));
    await farm.fail((await farm.take('one')).key, 'No network.', 'fetch-failed');
    const waiting = farm.lease('one', 30_000);
    await poll('one to wait', async () => {
      const [agent] = await farm.builds.listAgents();
      farm.clock.advance(1);
      return agent?.lastSeenAt === farm.clock.now() - 1 ? true : undefined;
    });
    farm.clock.advance(30_000);
    expect(await waiting).toMatchObject({ attempt: 2 });
  });
});
