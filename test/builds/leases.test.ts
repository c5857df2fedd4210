import { describe, expect, it } from '@jest/globals';
import type { LeaseKey } from '../../src/builds/builds.ts';
import { claimJob } from '../../src/builds/job-store.ts';
import { headOfLane, openLanes } from '../../src/builds/lane-store.ts';
import { poll } from '../support/poll.ts';
import { rounds } from '../support/test-database.ts';
import { packageBytes } from './fake-repository.ts';
import { type Farm, makePlan, SETTINGS } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();

describe('a lease', () => {
  it('that expires makes the job ready for the next attempt, and the late agent is refused', async () => {
    const farm = await newFarm();
    await farm.agent('slow');
    await farm.agent('fast');
    const request = await farm.plan(makePlan(['a/b-1']));
    const late = await farm.take('slow');
    farm.clock.advance(SETTINGS.leaseMs);
    expect(await farm.builds.heartbeat(late.key)).toBe('go-on');
    farm.clock.advance(SETTINGS.leaseMs + 1);

    const next = await farm.take('fast');
    expect(next).toMatchObject({ jobId: late.jobId, attempt: 2 });
    expect(next.staging).not.toBe(late.staging);
    const stale = { code: 'stale-attempt' };
    const bytes = packageBytes('a/b-1', 'late');
    await expect(farm.builds.heartbeat(late.key)).rejects.toMatchObject(stale);
    await expect(farm.builds.appendLog(late.key, 0, bytes)).rejects.toMatchObject(stale);
    await expect(farm.builds.openSource(late.key)).rejects.toMatchObject(stale);
    await expect(farm.builds.acceptPlan(late.key, makePlan([]))).rejects.toMatchObject(stale);
    await expect(farm.upload(late.key, bytes)).rejects.toMatchObject(stale);
    for (const outcome of ['succeeded', 'failed', 'cancelled'] as const) {
      await expect(farm.builds.acceptResult(late.key, { outcome })).rejects.toMatchObject(stale);
    }
    const forged: LeaseKey = { ...next.key, agent: 'slow' };
    await expect(farm.builds.heartbeat(forged)).rejects.toMatchObject(stale);
    expect(await farm.repository.packagesByCpv('web', 'a/b-1')).toEqual([]);

    await farm.build(next);
    expect((await farm.finished(request.id)).state).toBe('done');
  });

  it('does not outlive a new process of the same name unless that one reports', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await farm.plan(makePlan(['a/b-1']));
    const { key } = await farm.take('one');
    await farm.agent('one');
    expect(await farm.lease('one')).toBeUndefined();
    farm.clock.advance(SETTINGS.leaseMs + 1);
    expect((await farm.take('one')).attempt).toBe(key.attempt + 1);
  });

  it('that is lost too often fails the job', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1', 'a/c-1'], [['a/c-1', 'a/b-1', 'runtime']]));
    for (let attempt = 1; attempt <= SETTINGS.maxAttempts; attempt += 1) {
      const { key } = await farm.take('one');
      expect(key.attempt).toBe(attempt);
      await farm.builds.heartbeat(key);
      farm.clock.advance(SETTINGS.leaseMs + 1);
    }
    expect(await farm.lease('one')).toBeUndefined();
    expect((await farm.finished(request.id)).reason).toContain('3 attempts were lost in all');
    expect(await farm.states(request.id)).toEqual({ 'a/b-1': 'failed', 'a/c-1': 'skipped' });
  });

  it('that its agent never spoke of does not count as lost, yet not for ever', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1']));
    let attempts = 0;
    while ((await farm.lease('one')) !== undefined) {
      attempts += 1;
      farm.clock.advance(SETTINGS.leaseMs + 1);
    }
    expect(attempts).toBe(10 * SETTINGS.maxAttempts);
    expect((await farm.finished(request.id)).state).toBe('failed');
  });

  it('that is given back goes to the next', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await farm.plan(makePlan(['a/b-1']));
    const first = await farm.take('one');
    await farm.builds.acceptResult(first.key, { outcome: 'cancelled', reason: 'shutting down' });
    const second = await farm.take('one');
    expect(second).toMatchObject({ jobId: first.jobId, attempt: 2 });
  });

  it('that an agent gives back as often as it is stopped and started does not count as lost', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1']));
    for (let stop = 1; stop <= 2 * SETTINGS.maxAttempts; stop += 1) {
      await farm.agent('one');
      const { key } = await farm.take('one');
      await farm.builds.heartbeat(key);
      await farm.builds.acceptResult(key, {
        outcome: 'cancelled',
        reason: 'The agent was stopped.',
      });
    }
    for (let loss = 1; loss < SETTINGS.maxAttempts; loss += 1) {
      await farm.builds.heartbeat((await farm.take('one')).key);
      farm.clock.advance(SETTINGS.leaseMs + 1);
    }

    await farm.build(await farm.take('one'));

    expect((await farm.finished(request.id)).state).toBe('done');
  });

  it('whose taker has hung up goes to the next at once', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await farm.plan(makePlan(['a/b-1']));
    const hungUp = new AbortController();
    farm.disk.onStage = () => {
      hungUp.abort();
    };
    expect(await farm.builds.lease('one', 1000, hungUp.signal)).toBeUndefined();
    expect((await farm.take('one')).attempt).toBe(2);
  });

  it('that cannot be staged is an attempt lost, and the fault is told', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1']));
    for (let time = 0; time < SETTINGS.maxAttempts; time += 1) {
      farm.disk.failNext('stage', new Error('disk on fire'));
      await expect(farm.lease('one')).rejects.toThrow('disk on fire');
    }
    expect((await farm.finished(request.id)).reason).toContain('could not prepare');
  });

  it('goes to agents with the executor only, to the oldest request first', async () => {
    const farm = await newFarm();
    await farm.agent('sourcerer', ['source']);
    await farm.agent('portager', ['portage']);
    await farm.agent('nobody', []);
    const ids: string[] = [];
    for (const atom of ['a/one', 'a/two']) {
      ids.push(
        (await farm.builds.createRequest({ profile: 'web', atoms: [atom], author: 't' })).id,
      );
      farm.clock.advance(1);
    }
    expect(await farm.lease('sourcerer')).toBeUndefined();
    expect(await farm.lease('nobody')).toBeUndefined();
    expect((await farm.take('portager')).requestId).toBe(ids[0]);
    expect((await farm.take('portager')).requestId).toBe(ids[1]);
    await expect(farm.lease('stranger')).rejects.toMatchObject({ code: 'unknown-agent' });
  });

  it('is won by one of two who race for it, in a thousand rounds', async () => {
    const farm = await newFarm();
    const names = Array.from({ length: rounds(1000) }, (_, index) => `a/p${index}-1`);
    await farm.plan(
      makePlan(
        names,
        names.slice(1).map((name, index) => [name, names[index] ?? '', 'buildtime']),
      ),
    );
    await farm.agent('one');
    await farm.agent('two');
    const wins = { one: 0, two: 0 };
    for (const name of names) {
      const racers = [farm.take('one'), farm.take('two')] as const;
      const [one, two] = await Promise.allSettled(racers);
      expect([one.status, two.status].toSorted()).toEqual(['fulfilled', 'rejected']);
      const winner = one.status === 'fulfilled' ? 'one' : 'two';
      wins[winner] += 1;
      expect(await farm.build(await racers[winner === 'one' ? 0 : 1])).toBe(name);
    }
    expect(wins.one + wins.two).toBe(names.length);
  }, 120_000);

  it('is won by one of two who go for the same attempt, whatever they have read before', async () => {
    const farm = await newFarm();
    await farm.plan(makePlan(['a/b-1']));
    const [lane] = await openLanes(farm.database);
    const job = await headOfLane(farm.database, lane?.id ?? '', { now: 1, passedOver: [] });
    const wins = await Promise.all(
      ['one', 'two'].map(
        async (agent) =>
          await claimJob(farm.database, job ?? { id: '', attempt: 0 }, {
            agent,
            now: 1,
            expiresAt: 2,
          }),
      ),
    );
    expect(wins.filter((row) => row !== undefined)).toMatchObject([{ agent: 'one', attempt: 1 }]);
  });
});

/** An agent that waits is always seen just now. */
async function isWaiting(farm: Farm, agent: string): Promise<true | undefined> {
  farm.clock.advance(1);
  const agents = await farm.builds.listAgents();
  const found = agents.find(({ name }) => name === agent);
  return found?.lastSeenAt === farm.clock.now() ? true : undefined;
}

describe('agents that wait', () => {
  it('are woken when a job becomes ready, in the order in which they came', async () => {
    const farm = await newFarm();
    const waits = [];
    for (const name of ['one', 'two', 'three']) {
      await farm.agent(name, ['portage']);
      waits.push(farm.lease(name, 20_000));
      await poll(`${name} to wait`, async () => await isWaiting(farm, name));
    }
    await farm.lease(await farm.agent('idle', []));
    await farm.builds.createRequest({ profile: 'web', atoms: ['a/b'], author: 't' });
    await farm.builds.createRequest({ profile: 'web', atoms: ['a/b'], author: 't' });
    const [one, two] = await Promise.all(waits.slice(0, 2));
    expect([one?.work.kind, two?.work.kind]).toEqual(['plan', 'plan']);
    const held = await farm.builds.listAgents();
    expect(held.map(({ name, jobIds }) => [name, jobIds.length])).toEqual([
      ['idle', 0],
      ['one', 1],
      ['three', 0],
      ['two', 1],
    ]);
    await farm.builds.createRequest({ profile: 'web', atoms: ['a/b'], author: 't' });
    expect((await waits[2])?.work.kind).toBe('plan');
  });

  it('go away with nothing after their time, when they hang up, and when the server stops', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    expect(await farm.lease('one', 10)).toBeUndefined();
    const hungUp = new AbortController();
    const waiting = farm.builds.lease('one', 20_000, hungUp.signal);
    hungUp.abort();
    expect(await waiting).toBeUndefined();
    const untilStop = farm.lease('one', 20_000);
    await poll('one to wait', async () => await isWaiting(farm, 'one'));
    await farm.stop();
    expect(await untilStop).toBeUndefined();
    await farm.start();
  });
});
