import { describe, expect, it } from '@jest/globals';
import { packageBytes } from './fake-repository.ts';
import { makePlan, planPackage, SETTINGS } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();

const DIAMOND = makePlan(
  ['a/left-1', 'a/right-1', 'a/bottom-1', 'a/top-1'],
  [
    ['a/top-1', 'a/left-1', 'buildtime'],
    ['a/top-1', 'a/right-1', 'buildtime'],
    ['a/left-1', 'a/bottom-1', 'buildtime'],
    ['a/right-1', 'a/bottom-1', 'runtime'],
  ],
);

describe('a plan', () => {
  it('that Portage could not make fails the request with what Portage said', async () => {
    const farm = await newFarm();
    const plan = makePlan([], [], {
      ok: false,
      problems: ['No ebuild for a/b.', 'Masked: a/c.', 'No.', 'Never.', 'So.'],
    });
    const request = await farm.plan(plan);
    expect(await farm.finished(request.id)).toMatchObject({
      state: 'failed',
      reason:
        'No plan could be made. Portage found no way to build this. No ebuild for a/b. Masked: a/c. No. There are 2 more problems.',
    });
    expect((await farm.builds.lookAt(request.id))?.problems).toEqual(plan.problems);
  });

  it('is refused when it cannot be true, and the job stays with the agent', async () => {
    const farm = await newFarm();
    const { id } = await farm.builds.createRequest({ profile: 'web', atoms: ['a/b'], author: 't' });
    const { key } = await farm.take(await farm.agent('one'));

    await expect(
      farm.builds.acceptPlan(key, makePlan(['a/b-1'], [['a/b-1', 'a/ghost-1', 'buildtime']])),
    ).rejects.toMatchObject({
      code: 'plan-invalid',
      message: expect.stringContaining('a/ghost-1'),
    });
    await expect(
      farm.builds.acceptPlan(key, makePlan([planPackage('a/b-1', { type: 'binary', buildId: 7 })])),
    ).rejects.toMatchObject({
      code: 'plan-package-missing',
      message: expect.stringContaining('a/b-1 with BUILD_ID 7'),
    });
    await expect(farm.builds.acceptResult(key, { outcome: 'succeeded' })).rejects.toMatchObject({
      code: 'result-missing',
    });
    expect(await farm.builds.heartbeat(key)).toBe('go-on');
    expect(await farm.builds.jobsOf(id)).toHaveLength(1);
  });

  it('of an earlier attempt does not count for a later one', async () => {
    const farm = await newFarm();
    await farm.builds.createRequest({ profile: 'web', atoms: ['a/b'], author: 't' });
    const agent = await farm.agent('one');
    const first = await farm.take(agent);
    await farm.builds.acceptPlan(first.key, makePlan(['a/b-1']));
    farm.clock.advance(SETTINGS.leaseMs + 1);
    const second = await farm.take(agent);
    await expect(
      farm.builds.acceptResult(second.key, { outcome: 'succeeded' }),
    ).rejects.toMatchObject({ code: 'result-missing' });
  });

  it('takes binaries and installed packages that the repository has as reused, and stages them', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const earlier = await farm.plan(makePlan(['a/lib-1', 'a/tool-1']));
    await farm.build(await farm.take('one'));
    await farm.build(await farm.take('one'));
    await farm.finished(earlier.id);
    const known = await farm.repository.newestPackages('web');
    const lib = known.find(({ cpv }) => cpv === 'a/lib-1');
    const tool = known.find(({ cpv }) => cpv === 'a/tool-1');

    const { id } = await farm.builds.createRequest({ profile: 'web', atoms: ['a/x'], author: 't' });
    const planning = await farm.take('one');
    expect(new Set(farm.disk.staged.get(planning.staging))).toEqual(new Set([lib?.id, tool?.id]));
    const times = { buildTime: tool?.buildTimeSeconds ?? 0 };
    await farm.builds.acceptPlan(
      planning.key,
      makePlan(
        [
          planPackage('a/lib-1', { type: 'binary', buildId: lib?.buildId ?? null }),
          planPackage('a/tool-1', { type: 'installed', ...times }),
          planPackage('a/glibc-1', { type: 'installed', buildTime: 1 }),
          'a/x-1',
          'a/y-1',
        ],
        [
          ['a/y-1', 'a/x-1', 'buildtime'],
          ['a/x-1', 'a/lib-1', 'buildtime'],
        ],
      ),
    );
    await farm.builds.acceptResult(planning.key, { outcome: 'succeeded' });

    const first = await farm.take('one');
    expect(farm.disk.staged.get(first.staging)).toEqual([lib?.id, tool?.id]);
    await farm.build(first);
    const second = await farm.take('one');
    expect(farm.disk.staged.get(second.staging)).toHaveLength(3);
    await farm.build(second);
    expect((await farm.finished(id)).state).toBe('done');
    const how = (await farm.builds.packagesOf(id)).map((one) => `${one.package.cpv} ${one.how}`);
    expect(how).toEqual(['a/lib-1 reused', 'a/tool-1 reused', 'a/x-1 built', 'a/y-1 built']);
  });
});

describe('cancelling', () => {
  it('ends what has not begun at once, tells the agents, and ends the request with the last of them', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(DIAMOND, 'testing');
    const { key } = await farm.take('one');

    expect(await farm.builds.cancelRequest(request.id, 'token:admin')).toMatchObject({
      state: 'building',
      reason: 'Cancelled by token:admin. The jobs under way are told to stop.',
    });
    expect(await farm.states(request.id)).toEqual({
      'a/bottom-1': 'leased',
      'a/left-1': 'cancelled',
      'a/right-1': 'cancelled',
      'a/top-1': 'cancelled',
    });
    expect(await farm.builds.heartbeat(key)).toBe('cancel');
    await farm.builds.acceptResult(key, { outcome: 'cancelled' });

    expect(await farm.finished(request.id)).toMatchObject({
      state: 'cancelled',
      reason: 'Cancelled by token:admin; 0 of 4 packages were built.',
    });
    await expect(farm.builds.cancelRequest(request.id, 't')).rejects.toMatchObject({
      code: 'request-finished',
    });
    await expect(farm.builds.cancelRequest('req-none', 't')).rejects.toMatchObject({
      code: 'unknown-request',
    });
    expect(farm.disk.publications).toEqual([]);
  });

  it('ends by the lease of an agent that never answers again, or goes on without listening', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1']));
    const { key } = await farm.take('one');
    await farm.builds.cancelRequest(request.id, 'token:admin');
    farm.clock.advance(SETTINGS.leaseMs - 1);
    expect(await farm.builds.heartbeat(key)).toBe('cancel');
    farm.clock.advance(2);
    expect(await farm.lease('one')).toBeUndefined();
    expect((await farm.finished(request.id)).state).toBe('cancelled');
    await expect(farm.builds.heartbeat(key)).rejects.toMatchObject({ code: 'stale-attempt' });
  });

  it('keeps what was built when the agent finished first', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1', 'a/c-1']));
    const lease = await farm.take('one');
    await farm.builds.cancelRequest(request.id, 'token:admin');
    await farm.build(lease);
    expect(await farm.finished(request.id)).toMatchObject({
      state: 'cancelled',
      reason: 'Cancelled by token:admin; 1 of 2 packages were built.',
    });
    expect(await farm.states(request.id)).toEqual({ 'a/b-1': 'succeeded', 'a/c-1': 'cancelled' });
  });

  it('while it is planned makes no jobs of the plan', async () => {
    const farm = await newFarm();
    const { id } = await farm.builds.createRequest({ profile: 'web', atoms: ['a/b'], author: 't' });
    const { key } = await farm.take(await farm.agent('one'));
    await farm.builds.cancelRequest(id, 'token:admin');
    await farm.builds.acceptPlan(key, makePlan(['a/b-1']));
    await farm.builds.acceptResult(key, { outcome: 'succeeded' });
    expect((await farm.finished(id)).state).toBe('cancelled');
    expect(await farm.states(id)).toEqual({});
  });
});

describe('calls that are repeated because an answer was lost', () => {
  it('change nothing the second time', async () => {
    const farm = await newFarm();
    const { id } = await farm.builds.createRequest({ profile: 'web', atoms: ['a/b'], author: 't' });
    const planning = await farm.take(await farm.agent('one'));
    const plan = makePlan(['a/b-1', 'a/c-1'], [['a/c-1', 'a/b-1', 'buildtime']]);
    for (let time = 0; time < 2; time += 1) {
      await farm.builds.acceptPlan(planning.key, plan);
    }
    for (let time = 0; time < 2; time += 1) {
      await farm.builds.acceptResult(planning.key, { outcome: 'succeeded' });
    }
    expect(Object.keys(await farm.states(id))).toHaveLength(2);

    const lease = await farm.take('one');
    const bytes = packageBytes('a/b-1', 'x');
    const first = await farm.upload(lease.key, bytes);
    expect(await farm.upload(lease.key, bytes)).toEqual(first);
    for (let time = 0; time < 2; time += 1) {
      await farm.builds.acceptResult(lease.key, { outcome: 'succeeded' });
    }
    expect(await farm.upload(lease.key, bytes)).toEqual(first);
    expect(await farm.repository.packagesByCpv('web', 'a/b-1')).toHaveLength(1);
    const stale = { code: 'stale-attempt' };
    await expect(farm.upload(lease.key, packageBytes('a/b-1', 'y'))).rejects.toMatchObject(stale);
    await expect(farm.fail(lease.key)).rejects.toMatchObject(stale);

    const last = await farm.take('one');
    for (let time = 0; time < 2; time += 1) {
      await farm.fail(last.key);
    }
    const finished = farm.events.filter(({ kind }) => kind === 'job-finished');
    expect(finished).toHaveLength(3);
    expect(farm.events.filter(({ kind }) => kind === 'request-finished')).toHaveLength(1);
  });
});

describe('a package', () => {
  it('other than the job builds is refused and not counted', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1']));
    const { key } = await farm.take('one');
    await expect(farm.upload(key, packageBytes('a/c-1', 'x'))).rejects.toMatchObject({
      code: 'package-unexpected',
      message: 'This is a/c-1, but a/b-1 is expected.',
    });
    await expect(farm.builds.acceptResult(key, { outcome: 'succeeded' })).rejects.toMatchObject({
      code: 'result-missing',
    });
    await farm.fail(key);
    expect(await farm.builds.packagesOf(request.id)).toEqual([]);
  });

  it("is not the job's when its upload took longer than the lease", async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1']));
    const { key } = await farm.take('one');
    await farm.upload(key, packageBytes('a/b-1', 'first'));
    farm.clock.advance(SETTINGS.leaseMs + 1);
    const second = await farm.take('one');
    await expect(
      farm.builds.acceptResult(second.key, { outcome: 'succeeded' }),
    ).rejects.toMatchObject({ code: 'result-missing' });
    await farm.build(second);
    const built = await farm.builds.packagesOf(request.id);
    expect(built.map((one) => one.package.buildId)).toEqual([2]);
  });
});
