import { describe, expect, it } from '@jest/globals';
import { AppError } from '../../src/support/errors.ts';
import { poll } from '../support/poll.ts';
import { makePlan, makeProfile, SETTINGS } from './farm.ts';
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

describe('a request', () => {
  it('is planned by an agent, built in order and published', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await farm.agent('two');

    const request = await farm.plan(DIAMOND, 'testing');
    expect(await farm.request(request.id)).toMatchObject({ state: 'building', finishedAt: null });

    const bottom = await farm.take('one');
    expect(await farm.lease('two')).toBeUndefined();
    expect(await farm.build(bottom)).toBe('a/bottom-1');
    const sides = [await farm.take('one'), await farm.take('two')];
    expect(await farm.lease('one')).toBeUndefined();
    expect(await Promise.all(sides.map(async (side) => await farm.build(side)))).toEqual([
      'a/left-1',
      'a/right-1',
    ]);
    expect(await farm.build(await farm.take('two'))).toBe('a/top-1');

    expect(await farm.finished(request.id)).toMatchObject({ state: 'done', reason: null });
    const built = await farm.builds.packagesOf(request.id);
    expect(built.map((one) => [one.package.cpv, one.how])).toEqual(
      ['a/bottom-1', 'a/left-1', 'a/right-1', 'a/top-1'].map((cpv) => [cpv, 'built']),
    );
    expect(farm.disk.publications).toMatchObject([
      { profile: 'web', channel: 'testing', requestId: request.id, author: 'token:test' },
    ]);
    expect(farm.disk.publishedIds.get(request.id)).toEqual(built.map((one) => one.package.id));
  });

  it('leaves its history in the journal, in order', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1']), 'testing');
    await farm.build(await farm.take('one'));
    await farm.finished(request.id);

    const mine = farm.events.filter(({ data }) => data['requestId'] === request.id);
    expect(mine.map(({ kind, actor }) => `${kind} by ${actor}`)).toEqual([
      'request-created by token:test',
      'job-ready by token:test',
      'job-leased by agent:planner',
      'request-planned by agent:planner',
      'job-ready by agent:planner',
      'job-finished by agent:planner',
      'job-leased by agent:one',
      'job-finished by agent:one',
      'request-publishing by agent:one',
      'request-finished by server',
    ]);
  });

  it('refuses an unknown profile, channel, atom or set, and keeps nothing of it', async () => {
    const farm = await newFarm([makeProfile({ sets: { web: ['a/b', '@more'], more: ['a/c'] } })]);
    const ask = async (change: object): Promise<unknown> =>
      await farm.builds.createRequest({
        profile: 'web',
        atoms: ['a/b'],
        author: 'token:test',
        ...change,
      });
    await expect(ask({ profile: 'wob' })).rejects.toMatchObject({ code: 'unknown-profile' });
    await expect(ask({ publish: 'prod' })).rejects.toMatchObject({ code: 'unknown-channel' });
    await expect(ask({ atoms: [] })).rejects.toMatchObject({ code: 'invalid-atom' });
    await expect(ask({ atoms: ['--pretend'] })).rejects.toMatchObject({ code: 'invalid-atom' });
    await expect(ask({ atoms: ['!a/b'] })).rejects.toMatchObject({ code: 'invalid-atom' });
    await expect(ask({ atoms: ['@wep'] })).rejects.toMatchObject({
      code: 'unknown-set',
      message: expect.stringContaining('Did you mean "web"?'),
    });
    expect(await farm.builds.listRequests({ limit: 10 })).toEqual([]);

    await farm.agent('one');
    await ask({ atoms: ['@web', 'a/c', '@world'], resolve: ['update', 'deep'] });
    expect((await farm.take('one')).work).toEqual({
      kind: 'plan',
      atoms: ['a/b', 'a/c', '@world'],
      sync: false,
      rebuild: false,
      anew: [],
      resolve: ['update', 'deep'],
    });
  });

  it('is listed newest first', async () => {
    const farm = await newFarm();
    const ids: string[] = [];
    for (const atom of ['a/one', 'a/two', 'a/three']) {
      farm.clock.advance(1);
      ids.push(
        (await farm.builds.createRequest({ profile: 'web', atoms: [atom], author: 't' })).id,
      );
    }
    const listed = await farm.builds.listRequests({ profile: 'web', limit: 2 });
    expect(listed.map(({ id }) => id)).toEqual([ids[2], ids[1]]);
    expect(await farm.builds.listRequests({ profile: 'other', limit: 2 })).toEqual([]);
  });

  it('whose plan has nothing to do is done', async () => {
    const farm = await newFarm();
    const request = await farm.plan(makePlan([]), 'testing');
    expect(await farm.finished(request.id)).toMatchObject({ state: 'done' });
    expect(farm.disk.publications).toEqual([]);
  });
});

describe('a failed package', () => {
  it('skips what needs it, at any depth and by every way, and nothing else', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(
      makePlan(
        ['a/free-1', ...DIAMOND.packages],
        DIAMOND.edges.map(({ from, to }) => [from, to, 'buildtime']),
      ),
      'testing',
    );

    await farm.fail((await farm.take('one')).key, 'No space left.');
    expect(await farm.build(await farm.take('one'))).toBe('a/free-1');

    expect(await farm.finished(request.id)).toMatchObject({
      state: 'failed',
      reason: '1 of 5 packages were built. First failure: a/bottom-1. No space left.',
    });
    const jobs = await farm.jobs(request.id);
    expect(jobs['a/bottom-1']).toMatchObject({ state: 'failed', reason: 'No space left.' });
    for (const name of ['a/left-1', 'a/right-1', 'a/top-1']) {
      expect(jobs[name]).toMatchObject({
        state: 'skipped',
        reason: 'It needs a/bottom-1, which failed.',
      });
    }
    expect(farm.disk.publications).toEqual([]);
    const kept = await farm.builds.packagesOf(request.id);
    expect(kept.map((one) => one.package.cpv)).toEqual(['a/free-1']);
    const skips = farm.events.filter(({ data }) => data['state'] === 'skipped');
    expect(skips).toHaveLength(3);
  });

  it('of a plan fails the request with the reason', async () => {
    const farm = await newFarm();
    const request = await farm.builds.createRequest({
      profile: 'web',
      atoms: ['a/b'],
      author: 'token:test',
    });
    const lease = await farm.take(await farm.agent('one'));
    await farm.fail(lease.key, 'emerge is not there.');
    expect(await farm.finished(request.id)).toMatchObject({
      state: 'failed',
      reason: 'No plan could be made. emerge is not there.',
    });
  });
});

describe('waiting jobs', () => {
  it('say why, each in a sentence', async () => {
    const farm = await newFarm();
    const request = await farm.plan(
      makePlan(
        ['a/one-1', 'a/two-1', 'a/three-1'],
        [
          ['a/three-1', 'a/one-1', 'buildtime'],
          ['a/three-1', 'a/two-1', 'buildtime'],
        ],
      ),
    );
    await farm.agent('planner', ['portage']);
    const reason = async (name: string): Promise<string | null | undefined> => {
      const id = (await farm.jobs(request.id))[name]?.id ?? '';
      const job = await farm.builds.findJob(id);
      expect((await farm.jobs(request.id))[name]).toEqual(job);
      return job?.reason;
    };
    expect(await reason('a/three-1')).toBe(
      'waits for a/one-1, which waits for an agent to ask for work; planner should soon, and for 1 more',
    );
    expect(await reason('a/one-1')).toBe('waits for an agent to ask for work; planner should soon');
    farm.clock.advance(60_001);
    expect(await reason('a/one-1')).toBe(
      'waits for an agent that fits: planner has not been heard of for 1 min',
    );
    const first = await farm.take(await farm.agent('pre3'));
    expect(await reason('a/one-1')).toBeNull();
    expect(await reason('a/two-1')).toBe(
      'waits for an agent that fits to be free; pre3 is building',
    );
    farm.clock.advance(50_000);
    expect(await reason('a/three-1')).toBe(
      'waits for a/one-1, building on pre3 since 50 s, and for 1 more',
    );
    await farm.build(first);
    expect(await reason('a/three-1')).toBe(
      'waits for a/two-1, which waits for an agent to ask for work; pre3 should soon',
    );
  });
});

describe('publishing', () => {
  it('that is refused fails the request with the reason', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1']), 'testing');
    farm.disk.failNext('publish', new AppError('closure-open', 'a/b-1 needs libx.so.1.'));
    await farm.build(await farm.take('one'));
    expect(await farm.finished(request.id)).toMatchObject({
      state: 'failed',
      reason:
        'Everything was built, but it could not be published on testing. a/b-1 needs libx.so.1.',
    });
  });

  it('on a channel that needs proof has to be forced from the start, and says why', async () => {
    const farm = await newFarm();
    const ask = async (change: object) =>
      await farm.builds.createRequest({
        profile: 'web',
        atoms: ['a/b'],
        author: 'token:test',
        publish: 'stable',
        ...change,
      });
    await expect(ask({})).rejects.toMatchObject({
      code: 'promotion-not-proven',
      message: expect.stringContaining('Publish it on testing and promote that'),
    });
    await expect(ask({ force: true, reason: ' ' })).rejects.toMatchObject({
      code: 'reason-required',
    });
    expect(await farm.builds.listRequests({ limit: 10 })).toEqual([]);
    const { id } = await farm.plan(makePlan(['a/b-1']), 'stable', { force: true, reason: 'CVE-1' });
    const created = farm.events.find(({ kind }) => kind === 'request-created');
    expect(created?.data).toMatchObject({ publish: 'stable', force: true, reason: 'CVE-1' });
    await farm.agent('one');
    await farm.build(await farm.take('one'));
    expect((await farm.finished(id)).state).toBe('done');
    const forced = { missing: ['forced'] };
    expect(farm.disk.publications).toMatchObject([{ channel: 'stable', reason: 'CVE-1', forced }]);
    const free = { stable: { nodes: 0, checks: [], soakMs: 0, withinMs: null } };
    const easy = await newFarm([makeProfile({ promotion: free })]);
    const open = { profile: 'web', atoms: ['a/b'], author: 'token:test', publish: 'stable' };
    expect(await easy.builds.createRequest(open)).toMatchObject({ publish: 'stable' });
  });

  it('that fails for no fault of the packages is tried again', async () => {
    const farm = await newFarm([makeProfile()], { heartbeatMs: 10 });
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1']), 'testing');
    farm.disk.failNext('publish', new Error('disk full'));
    await farm.build(await farm.take('one'));
    await poll('the fault', () => (farm.disk.faults.length === 0 ? true : undefined));
    expect((await farm.request(request.id)).state).toBe('publishing');
    await expect(farm.builds.cancelRequest(request.id, 't')).rejects.toMatchObject({
      code: 'request-finished',
    });
    farm.clock.advance(SETTINGS.leaseMs);
    expect((await farm.finished(request.id)).state).toBe('done');
  });
});
