import { describe, expect, it } from '@jest/globals';
import { sentenceOf } from '../../src/builds/reason-sentence.ts';
import type { BuildRequest } from '../../src/builds/request.ts';
import { type Farm, makePlan, makeRecipe, planPackage, sourceProfile } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();
const PAIR = makePlan(['a/lib-1', 'a/top-1'], [['a/top-1', 'a/lib-1', 'buildtime']]);

/** A farm with two agents and two requests for the same two packages. */
async function twoRequests(publish?: string): Promise<[Farm, BuildRequest, BuildRequest]> {
  const farm = await newFarm();
  await farm.agent('one');
  await farm.agent('two');
  const first = await farm.plan(PAIR, publish);
  farm.clock.advance(1000);
  return [farm, first, await farm.plan(PAIR, publish)];
}

async function why(farm: Farm, requestId: string, name: string): Promise<string> {
  const job = (await farm.jobs(requestId))[name];
  expect(await farm.builds.findJob(job?.id ?? '')).toEqual(job);
  return job === undefined ? '' : sentenceOf(job.why);
}

async function text(farm: Farm, jobId: string): Promise<string> {
  const { bytes } = await farm.builds.readLog(jobId, { offset: 0, maxBytes: 1000 });
  return bytes.toString();
}

describe('the same build for two requests', () => {
  it('is done once, and both have its package, its log and its history', async () => {
    const [farm, first, second] = await twoRequests('testing');
    const lib = await farm.take('one');
    expect(lib.requestId).toBe(first.id);
    expect(await farm.lease('two')).toBeUndefined();
    farm.clock.advance(30_000);
    await farm.builds.heartbeat(lib.key);
    expect(await why(farm, second.id, 'a/lib-1')).toBe(
      `is built by request ${first.id}, building on one since 30 s`,
    );
    const joined = (await farm.jobs(second.id))['a/lib-1'];
    expect(joined).toMatchObject({ state: 'waiting', agent: 'one', attempt: 1 });
    let words = 0;
    const unfollow = farm.builds.followLog(joined?.id ?? '', () => (words += 1));
    expect(await text(farm, joined?.id ?? '')).toBe('');
    await farm.builds.appendLog(lib.key, 0, Buffer.from('cc lib.c\n'));
    expect(words).toBe(1);
    expect(await text(farm, joined?.id ?? '')).toBe('cc lib.c\n');
    unfollow();
    await farm.build(lib);

    const top = await farm.take('two');
    expect(await farm.lease('one')).toBeUndefined();
    await farm.build(top);
    expect(await farm.finished(first.id)).toMatchObject({ state: 'done', reason: null });
    expect(await farm.finished(second.id)).toMatchObject({
      state: 'done',
      reason: `Built by request ${first.id}.`,
    });
    expect(await why(farm, second.id, 'a/lib-1')).toBe(
      `was built by request ${first.id} on one in 30 s`,
    );
    const packages = await farm.builds.packagesOf(second.id);
    expect(packages).toEqual(await farm.builds.packagesOf(first.id));
    expect(packages.map(({ package: { cpv } }) => cpv)).toEqual(['a/lib-1', 'a/top-1']);
    expect(await farm.builds.attemptsOf(joined?.id ?? '')).toEqual(
      await farm.builds.attemptsOf(lib.jobId),
    );
    const timeline = await farm.records.timeline(second.id);
    const agents = timeline?.attempts.map(({ agent }) => agent);
    expect(new Set(agents)).toEqual(new Set(['one', 'planner', 'two']));
    expect(agents).toHaveLength(3);
    expect(await farm.records.history({ limit: 10 })).toHaveLength(2);
    const published = farm.disk.publications.map(({ requestId }) => requestId);
    expect(new Set(published)).toEqual(new Set([first.id, second.id]));
    expect(published).toHaveLength(2);
  });

  it('goes to whichever of the two comes first in turn', async () => {
    const [farm, , second] = await twoRequests();
    await farm.builds.prioritizeRequest(second.id, { actor: 't', priority: 1 });
    expect((await farm.take('one')).requestId).toBe(second.id);
    expect(await farm.lease('two')).toBeUndefined();
  });

  it('fails for both, and skips what needs it in both', async () => {
    const [farm, first, second] = await twoRequests();
    const lib = await farm.take('one');
    await farm.builds.appendLog(lib.key, 0, Buffer.from('lib.c:1:2: error: no such thing\n'));
    await farm.fail(lib.key, 'It does not compile.');
    expect(await why(farm, second.id, 'a/lib-1')).toMatch(
      new RegExp(`^is built by request ${first.id}; it `),
    );
    await farm.fail((await farm.take('two')).key, 'It does not compile.');
    for (const { id } of [first, second]) {
      expect((await farm.finished(id)).state).toBe('failed');
      expect(await farm.states(id)).toEqual({ 'a/lib-1': 'failed', 'a/top-1': 'skipped' });
    }
    const job = (await farm.jobs(second.id))['a/lib-1'];
    expect(job?.reason).toMatch(`Built by request ${first.id}.`);
    const failures = (await farm.builds.lookAt(second.id))?.failures;
    expect(failures?.get(job?.id ?? '')).toMatchObject({ attempt: 1, line: 1 });
  });

  it('is tried again for both when its agent vanishes', async () => {
    const [farm, first, second] = await twoRequests();
    await farm.take('one');
    farm.clock.advance(61_000);
    const again = await farm.take('two');
    expect([again.requestId, again.attempt]).toEqual([first.id, 2]);
    await farm.build(again);
    await farm.build(await farm.take('two'));
    expect((await farm.finished(second.id)).state).toBe('done');
  });
});

describe('cancelling', () => {
  it('the request that builds does not stop what the other waits for', async () => {
    const [farm, first, second] = await twoRequests();
    const lib = await farm.take('one');
    const cancelled = await farm.builds.cancelRequest(first.id, 'token:ann');
    expect(cancelled).toMatchObject({
      state: 'building',
      reason:
        'Cancelled by token:ann. The jobs under way are told to stop, but for 1 that other requests wait for.',
    });
    expect(await why(farm, first.id, 'a/lib-1')).toBe('builds on one since 0 s');
    expect(await farm.builds.heartbeat(lib.key)).toBe('go-on');
    await farm.fail(lib.key);
    await farm.build(await farm.take('two'));
    expect((await farm.finished(first.id)).state).toBe('cancelled');
    await farm.build(await farm.take('two'));
    expect((await farm.finished(second.id)).state).toBe('done');
  });

  it('the request that has joined does not stop the one that builds', async () => {
    const [farm, first, second] = await twoRequests();
    const lib = await farm.take('one');
    await farm.builds.cancelRequest(second.id, 'token:ann');
    expect((await farm.finished(second.id)).state).toBe('cancelled');
    expect(await farm.builds.heartbeat(lib.key)).toBe('go-on');
    await farm.build(lib);
    await farm.build(await farm.take('one'));
    expect((await farm.finished(first.id)).state).toBe('done');
  });

  it.each(['leased', 'ready'])('both stops it, when it is %s', async (state) => {
    const [farm, first, second] = await twoRequests();
    const { key } = await farm.take('one');
    if (state === 'ready') {
      await farm.fail(key);
    }
    await farm.builds.cancelRequest(first.id, 'token:ann');
    expect((await farm.request(first.id)).finishedAt).toBeNull();
    await farm.builds.cancelRequest(second.id, 'token:bob');
    if (state === 'leased') {
      expect(await farm.builds.heartbeat(key)).toBe('cancel');
      await farm.builds.acceptResult(key, { outcome: 'cancelled' });
    }
    expect(await farm.finished(first.id)).toMatchObject({ state: 'cancelled' });
    expect(await farm.states(first.id)).toEqual({ 'a/lib-1': 'cancelled', 'a/top-1': 'cancelled' });
  });

  it('or pausing one leaves what has to be tried again to the other', async () => {
    const [farm, first, second] = await twoRequests();
    await farm.fail((await farm.take('one')).key);
    const pause = { actor: 't', reason: 'later' };
    await farm.builds.pauseRequest(first.id, pause);
    await farm.builds.pauseRequest(second.id, pause);
    expect(await farm.lease('two')).toBeUndefined();
    await farm.builds.resumeRequest(second.id, 't');
    const lib = await farm.take('two');
    await farm.build(lib);
    await farm.build(await farm.take('two'));
    expect((await farm.finished(second.id)).state).toBe('done');
    expect(await farm.states(first.id)).toEqual({
      'a/lib-1': 'succeeded',
      'a/top-1': 'succeeded',
    });
  });
});

describe('what counts as the same build', () => {
  it('is one that was done between the plan of another request and its jobs', async () => {
    const farm = await newFarm();
    const agent = await farm.agent('one');
    const first = await farm.plan(PAIR);
    const lib = await farm.take(agent);
    const ask = { profile: 'web', atoms: ['a/top'], author: 't' };
    const { id } = await farm.builds.createRequest(ask);
    const plan = await farm.take(await farm.agent('two', ['portage']));
    farm.clock.advance(1);
    await farm.build(lib);
    await farm.builds.acceptPlan(plan.key, PAIR);
    await farm.builds.acceptResult(plan.key, { outcome: 'succeeded' });
    expect(await farm.states(id)).toEqual({ 'a/lib-1': 'succeeded', 'a/top-1': 'ready' });
    expect(await why(farm, id, 'a/lib-1')).toMatch(`was built by request ${first.id} on one`);
    await farm.build(await farm.take(agent));
    expect(await farm.finished(id)).toMatchObject({ state: 'done' });
  });

  it('is not one with other USE flags, and not one that was begun before a rebuild was asked for', async () => {
    const farm = await newFarm();
    const agent = await farm.agent('one', ['portage'], { slots: 9 });
    await farm.plan(makePlan(['a/lib-1']));
    await farm.take(agent);
    farm.clock.advance(1000);
    await farm.plan(makePlan([planPackage('a/lib-1', { use: ['ssl'] })]));
    await farm.take(agent);
    const again = { profile: 'web', atoms: ['a/lib'], author: 't', rebuild: true };
    const { id } = await farm.builds.createRequest(again);
    const plan = await farm.take(agent);
    await farm.builds.acceptPlan(plan.key, makePlan(['a/lib-1']));
    await farm.builds.acceptResult(plan.key, { outcome: 'succeeded' });
    expect((await farm.take(agent)).requestId).toBe(id);
  });

  it('is not one that was begun before something that the other builds it with was rebuilt', async () => {
    const farm = await newFarm();
    const agent = await farm.agent('one', ['portage'], { slots: 9 });
    await farm.plan(
      makePlan(
        [planPackage('a/lib-1', { type: 'installed' }), 'a/top-1'],
        [['a/top-1', 'a/lib-1', 'buildtime']],
      ),
    );
    const top = await farm.take(agent);
    farm.clock.advance(1000);
    const second = await farm.plan(PAIR);
    await farm.build(await farm.take(agent));
    const own = await farm.take(agent);
    expect([own.requestId, top.requestId === own.requestId]).toEqual([second.id, false]);
  });

  it('is decided by the digest of the inputs with recipes, too', async () => {
    const farm = await newFarm([sourceProfile([makeRecipe('a/one-1')])]);
    await farm.agent('one');
    await farm.agent('two');
    const ask = { profile: 'php', atoms: ['a/one'], author: 't' };
    const first = await farm.builds.createRequest(ask);
    const second = await farm.builds.createRequest(ask);
    const lease = await farm.take('one');
    expect(await farm.lease('two')).toBeUndefined();
    await farm.build(lease);
    for (const { id } of [first, second]) {
      expect((await farm.finished(id)).state).toBe('done');
    }
  });
});
