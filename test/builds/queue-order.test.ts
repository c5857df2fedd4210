import { describe, expect, it } from '@jest/globals';
import type { Lease } from '../../src/builds/builds.ts';
import { GIANT_MS } from '../../src/builds/schedule-policy.ts';
import { cpvOf, type Farm, makePlan, makeProfile, planPackage } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();
const MINUTE = 60_000;
const GIB = 1024 ** 3;

/** Builds these packages once, so that their times are known from then on. */
async function measure(farm: Farm, times: Readonly<Record<string, number>>): Promise<void> {
  await farm.plan(makePlan(Object.keys(times)));
  const agent = await farm.agent('measuring');
  for (let count = 0; count < Object.keys(times).length; count += 1) {
    const lease = await farm.take(agent);
    await farm.keepBuilding([lease.key], times[cpvOf(lease)] ?? 0);
    await farm.build(lease);
  }
}

async function order(farm: Farm, agent: string): Promise<string[]> {
  const built: string[] = [];
  for (let lease = await farm.lease(agent); lease !== undefined; lease = await farm.lease(agent)) {
    built.push(await farm.build({ ...lease, key: keyOf(lease, agent) }));
  }
  return built;
}

function keyOf(lease: Lease, agent: string) {
  return { jobId: lease.jobId, attempt: lease.attempt, agent };
}

describe('the queue', () => {
  it('hands out the critical path first, by the times that it has measured', async () => {
    const farm = await newFarm();
    await measure(farm, { 'a/long-1': 20 * MINUTE, 'a/short-1': MINUTE, 'a/end-1': 5 * MINUTE });
    await farm.plan(
      makePlan(
        ['a/short-2', 'a/other-1', 'a/end-2', 'a/long-2'],
        [['a/end-2', 'a/short-2', 'buildtime']],
      ),
    );
    expect(await order(farm, await farm.agent('one'))).toEqual([
      'a/long-2',
      'a/short-2',
      'a/end-2',
      'a/other-1',
    ]);
  });

  it('puts the older request first, and a request of a higher priority before it', async () => {
    const farm = await newFarm();
    const plans = ['a/old-1', 'a/new-1', 'a/urgent-1'].map((cpv) => makePlan([cpv]));
    const requests = [];
    for (const plan of plans) {
      requests.push(await farm.plan(plan));
      farm.clock.advance(MINUTE);
    }
    const id = requests[2]?.id ?? '';
    const urgent = await farm.builds.prioritizeRequest(id, { actor: 'token:me', priority: 1 });
    expect(urgent.priority).toBe(1);
    expect(await order(farm, await farm.agent('one'))).toEqual([
      'a/urgent-1',
      'a/old-1',
      'a/new-1',
    ]);
    expect(farm.events.filter(({ kind }) => kind === 'request-priority')).toEqual([
      expect.objectContaining({ actor: 'token:me', subject: `request:${id}` }),
    ]);
    const invalid = { code: 'invalid-priority' };
    const created = { profile: 'web', atoms: ['a/b'], author: 'me', priority: 11 };
    await expect(farm.builds.createRequest(created)).rejects.toMatchObject(invalid);
    await expect(
      farm.builds.prioritizeRequest(id, { actor: 'me', priority: 0.5 }),
    ).rejects.toMatchObject(invalid);
    await expect(
      farm.builds.prioritizeRequest(id, { actor: 'me', priority: 1 }),
    ).rejects.toMatchObject({ code: 'request-finished' });
  });

  it('never gives an agent a second giant, and gives it to another', async () => {
    const farm = await newFarm();
    const agent = await farm.agent('one', ['portage'], { slots: 3 });
    const request = await farm.plan(
      makePlan(['www-client/chromium-1', 'www-client/firefox-1', 'a/small-1']),
    );
    const giant = await farm.take(agent);
    expect(cpvOf(giant)).toBe('www-client/chromium-1');
    expect(cpvOf(await farm.take(agent))).toBe('a/small-1');
    expect(await farm.lease(agent)).toBeUndefined();
    const { why, reason } = (await farm.jobs(request.id))['www-client/firefox-1'] ?? {};
    expect(why).toEqual({
      code: 'one-giant-each',
      agents: ['one'],
      others: 0,
      freeInMs: null,
    });
    expect(reason).toBe('waits until an agent that fits builds no other giant; one does');
    expect(cpvOf(await farm.take(await farm.agent('two')))).toBe('www-client/firefox-1');
    expect(GIANT_MS).toBeLessThanOrEqual(60 * MINUTE);
  });

  it('gives a job to an agent that fits it, and to no other', async () => {
    const profile = makeProfile({
      requires: {
        labels: ['ssd'],
        packages: { 'a/large': { memoryBytes: 32 * GIB, diskBytes: 10 * GIB } },
      },
    });
    const farm = await newFarm([profile]);
    const request = await farm.builds.createRequest({
      profile: 'web',
      atoms: ['a/large'],
      author: 'me',
    });
    expect(await farm.lease(await farm.agent('plain'))).toBeUndefined();
    const planner = await farm.agent('planner', ['portage'], { labels: ['ssd'] });
    const plan = await farm.take(planner);
    await farm.builds.acceptPlan(plan.key, makePlan(['a/large-1']));
    await farm.builds.acceptResult(plan.key, { outcome: 'succeeded' });
    expect(await farm.lease(planner)).toBeUndefined();
    expect((await farm.jobs(request.id))['a/large-1']).toMatchObject({
      state: 'ready',
      reason:
        'waits for an agent that fits: planner has 1 GiB of memory, not 32 GiB; plain has 1 GiB of memory, not 32 GiB and has the labels none, not ssd',
      why: {
        code: 'no-fitting-agent',
        agents: [
          { name: 'planner', lacks: [{ what: 'memory', wanted: '32 GiB', has: '1 GiB' }] },
          { name: 'plain', lacks: [{ what: 'memory' }, { what: 'label', wanted: 'ssd' }] },
        ],
        others: 0,
      },
    });
    const large = await farm.agent('large', ['portage'], {
      labels: ['ssd'],
      memoryBytes: 64 * GIB,
      diskFreeBytes: 20 * GIB,
    });
    const { signal } = new AbortController();
    expect(await farm.builds.lease(large, 0, signal, 5 * GIB)).toBeUndefined();
    expect((await farm.jobs(request.id))['a/large-1']?.reason).toContain(
      'large has 5 GiB of disk left, not 10 GiB',
    );
    expect(await farm.builds.lease(large, 0, signal, 15 * GIB)).toMatchObject({ attempt: 1 });
  });

  it('is one queue for agents of different profiles', async () => {
    const farm = await newFarm([makeProfile(), makeProfile({ name: 'db' })]);
    await farm.builds.createRequest({ profile: 'db', atoms: ['a/b'], author: 'me' });
    const web = await farm.agent('web', ['portage'], { profiles: ['web'] });
    expect(await farm.lease(web)).toBeUndefined();
    expect(
      (await farm.take(await farm.agent('db', ['portage'], { profiles: ['db'] }))).profile.name,
    ).toBe('db');
  });

  it('takes in jobs that an older version has left', async () => {
    const farm = await newFarm();
    await farm.plan(makePlan(['a/b-1', 'a/c-1'], [['a/c-1', 'a/b-1', 'buildtime']]));
    farm.clock.advance(1);
    await farm.builds.createRequest({ profile: 'web', atoms: ['a/d'], author: 'me' });
    const nothing = { lane: null, turn: null, estimate_ms: null, estimate_source: null };
    await farm.database.updateTable('jobs').set(nothing).execute();
    const agent = await farm.agent('one');
    expect(await farm.lease(agent)).toBeUndefined();
    await farm.stop();
    await farm.start();
    const plan = await farm.take(agent);
    expect(plan.work.kind).toBe('plan');
    await farm.builds.acceptPlan(plan.key, makePlan([planPackage('a/d-1')]));
    await farm.builds.acceptResult(plan.key, { outcome: 'succeeded' });
    expect(await order(farm, agent)).toEqual(['a/b-1', 'a/c-1', 'a/d-1']);
  });
});

describe('holding back', () => {
  it('a request stops its jobs, those that become ready meanwhile too, until it is resumed', async () => {
    const farm = await newFarm();
    const agent = await farm.agent('one');
    const request = await farm.plan(
      makePlan(['a/b-1', 'a/c-1'], [['a/c-1', 'a/b-1', 'buildtime']]),
    );
    const first = await farm.take(agent);
    const pause = { actor: 'token:me', reason: 'The disk is full.' };
    expect((await farm.builds.pauseRequest(request.id, pause)).paused).toEqual({
      by: 'token:me',
      reason: 'The disk is full.',
      pausedAt: farm.clock.now(),
    });
    await farm.build(first);
    expect(await farm.lease(agent)).toBeUndefined();
    farm.clock.advance(5 * MINUTE);
    expect((await farm.jobs(request.id))['a/c-1']).toMatchObject({
      reason: 'is held back: token:me paused its request 5 min ago (The disk is full.)',
      why: { code: 'paused-request', by: 'token:me', sinceMs: 5 * MINUTE },
    });
    const waiting = farm.lease(agent, 20_000);
    expect((await farm.builds.resumeRequest(request.id, 'token:me')).paused).toBeNull();
    expect(await waiting).toMatchObject({ attempt: 1 });
    await expect(farm.builds.pauseRequest('req-x', pause)).rejects.toMatchObject({
      code: 'unknown-request',
    });
  });

  it('a request while it is planned holds the packages of its plan', async () => {
    const farm = await newFarm();
    const agent = await farm.agent('one');
    const request = await farm.builds.createRequest({
      profile: 'web',
      atoms: ['a/b'],
      author: 'me',
    });
    const plan = await farm.take(agent);
    await farm.builds.pauseRequest(request.id, { actor: 'me', reason: 'Later.' });
    await farm.builds.acceptPlan(plan.key, makePlan(['a/b-1']));
    await farm.builds.acceptResult(plan.key, { outcome: 'succeeded' });
    expect(await farm.lease(agent)).toBeUndefined();
    await farm.builds.resumeRequest(request.id, 'me');
    expect(await order(farm, agent)).toEqual(['a/b-1']);
  });

  it('a profile stops all its requests', async () => {
    const farm = await newFarm();
    const agent = await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1']));
    const pause = { actor: 'token:me', reason: 'The tree is broken.' };
    await farm.builds.pauseProfile('web', pause);
    await farm.builds.createRequest({ profile: 'web', atoms: ['a/c'], author: 'me' });
    expect(await farm.lease(agent)).toBeUndefined();
    expect(await farm.builds.listPauses()).toMatchObject([{ profile: 'web', by: 'token:me' }]);
    expect((await farm.jobs(request.id))['a/b-1']?.reason).toBe(
      'is held back: token:me paused the profile web 0 s ago (The tree is broken.)',
    );
    const waiting = farm.lease(agent, 20_000);
    await farm.builds.resumeProfile('web', 'token:me');
    expect(await waiting).toMatchObject({ work: { kind: 'plan' } });
    await expect(farm.builds.resumeProfile('web', 'me')).rejects.toMatchObject({
      code: 'profile-not-paused',
    });
    await expect(farm.builds.pauseProfile('none', pause)).rejects.toMatchObject({
      code: 'unknown-profile',
    });
    const kinds = farm.events.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind.startsWith('profile-'))).toEqual([
      'profile-paused',
      'profile-resumed',
    ]);
  });

  it('an agent lets it finish what it has, and gives it nothing new', async () => {
    const farm = await newFarm();
    const agent = await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1', 'a/c-1']));
    const first = await farm.take(agent);
    const drained = await farm.builds.drainAgent(agent, { actor: 'token:me', reason: 'New disk.' });
    expect(drained).toMatchObject({ state: 'drained', jobIds: [first.jobId] });
    expect(await farm.builds.heartbeat(first.key)).toBe('go-on');
    await farm.build(first);
    await farm.agent('one');
    expect(await farm.lease(agent)).toBeUndefined();
    farm.clock.advance(2 * MINUTE);
    await farm.lease(agent);
    await farm.builds.drainAgent('planner', { actor: 'token:me', reason: 'As well.' });
    expect(await farm.lease('planner')).toBeUndefined();
    expect((await farm.jobs(request.id))['a/c-1']?.reason).toBe(
      'waits for an agent that fits: one is drained (Drained by token:me: New disk.); planner is drained (Drained by token:me: As well.)',
    );
    const waiting = farm.lease(agent, 20_000);
    expect((await farm.builds.resumeAgent(agent, 'token:me')).state).toBe('active');
    expect(await waiting).toMatchObject({ attempt: 1 });
    await expect(
      farm.builds.drainAgent('nobody', { actor: 'me', reason: 'x' }),
    ).rejects.toMatchObject({ code: 'unknown-agent' });
  });
});
