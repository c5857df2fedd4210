import { describe, expect, it } from '@jest/globals';
import { sentenceOf } from '../../src/builds/reason-sentence.ts';
import type { ExplainedJob } from '../../src/builds/request.ts';
import { type Farm, makePlan } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();
const MINUTE = 60_000;
const CHAIN = ['a/one-1', 'a/two-1', 'a/three-1'];

/** The job as `jobsOf` and `findJob` tell it: the same. */
async function told(farm: Farm, requestId: string, name: string): Promise<ExplainedJob> {
  const job = (await farm.jobs(requestId))[name];
  if (job === undefined) {
    throw new Error(`there is no job ${name}`);
  }
  expect(await farm.builds.findJob(job.id)).toEqual(job);
  return job;
}

async function sentence(farm: Farm, requestId: string, name: string): Promise<string> {
  return sentenceOf((await told(farm, requestId, name)).why);
}

async function plannedChain(farm: Farm) {
  return await farm.plan(
    makePlan(CHAIN, [
      ['a/two-1', 'a/one-1', 'buildtime'],
      ['a/three-1', 'a/two-1', 'buildtime'],
    ]),
  );
}

/** Lets the agent build for so long. */
async function work(farm: Farm, key: Parameters<Farm['fail']>[0], ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 30_000) {
    farm.clock.advance(Math.min(left, 30_000));
    await farm.builds.heartbeat(key);
  }
}

describe('why a job stands where it stands', () => {
  it('is told of one that is being built, with the time that is left, and of those that wait for it', async () => {
    const farm = await newFarm();
    const agent = await farm.agent('pre3');
    await plannedChain(farm);
    for (const _ of CHAIN) {
      const lease = await farm.take(agent);
      await work(farm, lease.key, 6 * MINUTE);
      await farm.build(lease);
    }
    const request = await plannedChain(farm);
    const { key, jobId } = await farm.take(agent);
    await work(farm, key, 4 * MINUTE);
    const one = await told(farm, request.id, 'a/one-1');
    expect(one.why).toEqual({
      code: 'building',
      agent: 'pre3',
      attempt: 1,
      sinceMs: 4 * MINUTE,
      leftMs: 2 * MINUTE,
    });
    expect(sentenceOf(one.why)).toBe('builds on pre3 since 4 min, about 2 min left');
    expect((await told(farm, request.id, 'a/two-1')).why).toEqual({
      code: 'needs-job',
      job: jobId,
      name: 'a/one-1',
      state: 'leased',
      agent: 'pre3',
      sinceMs: 4 * MINUTE,
      leftMs: 2 * MINUTE,
      others: 0,
      root: null,
      because: null,
    });
    expect(await sentence(farm, request.id, 'a/two-1')).toBe(
      'waits for a/one-1, building on pre3 since 4 min, about 2 min left',
    );
    expect(await sentence(farm, request.id, 'a/three-1')).toBe(
      'waits for a/two-1, which waits for a/one-1, building on pre3 since 4 min, about 2 min left',
    );
    await work(farm, key, 3 * MINUTE);
    expect(await sentence(farm, request.id, 'a/two-1')).toBe(
      'waits for a/one-1, building on pre3 since 7 min, longer than it used to take',
    );
  });

  it('names when an agent that fits should be free', async () => {
    const farm = await newFarm();
    const agent = await farm.agent('pre3');
    await farm.plan(makePlan(['a/one-1']));
    const first = await farm.take(agent);
    await work(farm, first.key, 10 * MINUTE);
    await farm.build(first);
    const request = await farm.plan(makePlan(['a/one-2', 'a/other-1']));
    const { key } = await farm.take(agent);
    await work(farm, key, 3 * MINUTE);
    const { why } = await told(farm, request.id, 'a/other-1');
    expect(why).toEqual({
      code: 'agents-busy',
      agents: ['pre3'],
      others: 0,
      freeInMs: 7 * MINUTE,
    });
    expect(sentenceOf(why)).toBe(
      'waits for an agent that fits to be free; pre3 is building, free in about 7 min',
    );
  });

  it('goes down to the last link of a chain that stands still', async () => {
    const farm = await newFarm();
    const request = await plannedChain(farm);
    await farm.builds.pauseRequest(request.id, { actor: 'token:me', reason: 'Later.' });
    const { why } = await told(farm, request.id, 'a/three-1');
    expect(why).toMatchObject({
      code: 'needs-job',
      name: 'a/two-1',
      state: 'waiting',
      root: { name: 'a/one-1', state: 'ready' },
      because: { code: 'paused-request' },
    });
    expect(sentenceOf(why)).toBe(
      'waits for a/two-1, which waits for a/one-1, which is held back: token:me paused its request 0 s ago (Later.)',
    );
  });

  it('is told of one that waits to be tried again', async () => {
    const retry = { initialMs: 10 * MINUTE, maximumMs: 10 * MINUTE };
    const farm = await newFarm(undefined, { retry });
    const request = await farm.plan(makePlan(['a/one-1']));
    const { key } = await farm.take(await farm.agent('pre1'));
    await farm.agent('pre2');
    await farm.fail(key);
    const { why } = await told(farm, request.id, 'a/one-1');
    expect(why).toMatchObject({ code: 'backing-off', attempt: 1 });
    expect(sentenceOf(why)).toMatch(/^is tried again in \d+ (?:s|min); attempt 1 came to nothing$/);
  });

  it('is told of those that have ended', async () => {
    const farm = await newFarm();
    const agent = await farm.agent('pre3');
    const request = await plannedChain(farm);
    const first = await farm.take(agent);
    await work(farm, first.key, 2 * MINUTE);
    await farm.build(first);
    expect(await sentence(farm, request.id, 'a/one-1')).toBe('was built on pre3 in 2 min');
    expect((await told(farm, request.id, 'a/one-1')).reason).toBeNull();
    farm.clock.advance(2 * MINUTE);
    await farm.fail((await farm.take(agent)).key, 'No space left.');
    expect(await sentence(farm, request.id, 'a/two-1')).toBe('failed on pre3: No space left.');
    expect(await sentence(farm, request.id, 'a/three-1')).toBe(
      'is not built: It needs a/two-1, which failed.',
    );
  });

  it('is told of those that are cancelled, and of the one that has not heard of it yet', async () => {
    const farm = await newFarm();
    const agent = await farm.agent('pre3');
    const request = await plannedChain(farm);
    await farm.take(agent);
    await farm.builds.cancelRequest(request.id, 'token:me');
    const one = await told(farm, request.id, 'a/one-1');
    expect(one.why).toEqual({ code: 'stopping', agent: 'pre3', by: 'token:me' });
    expect(one.reason).toBe('is told to stop; cancelled by token:me');
    expect(await sentence(farm, request.id, 'a/two-1')).toBe(
      'was cancelled: Cancelled by token:me.',
    );
  });

  it('is that there is nobody, when no agent has registered or none has been heard of', async () => {
    const farm = await newFarm();
    const request = await farm.builds.createRequest({
      profile: 'web',
      atoms: ['a/b'],
      author: 'me',
    });
    expect(await sentence(farm, request.id, 'plan')).toBe(
      'waits for an agent; none has registered',
    );
    for (const name of ['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7']) {
      await farm.agent(name);
    }
    expect(await sentence(farm, request.id, 'plan')).toBe(
      'waits for an agent to ask for work; a1, a2, a3 and 4 more should soon',
    );
    farm.clock.advance(2 * MINUTE);
    expect((await told(farm, request.id, 'plan')).why).toMatchObject({
      code: 'agents-away',
      agents: [{ name: 'a1', silentMs: 2 * MINUTE }, {}, {}, {}, {}],
      others: 2,
    });
  });
});
