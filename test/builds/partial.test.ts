import { describe, expect, it } from '@jest/globals';
import { AppError } from '../../src/support/errors.ts';
import { type Farm, makePlan } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();
const PLAN = makePlan(['d/lib-2', 'a/user-1', 'a/other-1'], [['a/user-1', 'd/lib-2', 'buildtime']]);
const BLOCKED = { profile: 'web', atoms: ['app-misc/top'], author: 'token:test' };

/** A request with the plan above, whose library fails; ended. */
async function failed(farm: Farm, partial: boolean): Promise<string> {
  await farm.agent('one');
  const request = await farm.builds.createRequest({ ...BLOCKED, publish: 'testing', partial });
  const lease = await farm.take('one');
  await farm.builds.acceptPlan(lease.key, PLAN);
  await farm.builds.acceptResult(lease.key, { outcome: 'succeeded' });
  for (let job = 0; job < 2; job += 1) {
    const taken = await farm.take('one');
    const isLibrary = taken.work.kind === 'portage-package' && taken.work.cpv === 'd/lib-2';
    await (isLibrary ? farm.fail(taken.key) : farm.build(taken));
  }
  await farm.finished(request.id);
  return request.id;
}

async function leftOut(farm: Farm, id: string): Promise<Record<string, string | null>> {
  const packages = await farm.builds.packagesOf(id);
  return Object.fromEntries(packages.map((one) => [one.package.cpv, one.leftOut]));
}

const FAILURE = '1 of 3 packages were built. First failure: d/lib-2. The compiler said no.';

describe('a request that is to be published in part', () => {
  it('publishes what there is when a part of it fails, and says so', async () => {
    const farm = await newFarm();
    const id = await failed(farm, true);
    expect(await farm.request(id)).toMatchObject({
      state: 'partial',
      partial: true,
      reason: `${FAILURE} 1 package is published on testing.`,
    });
    expect(await farm.states(id)).toEqual({
      'd/lib-2': 'failed',
      'a/user-1': 'skipped',
      'a/other-1': 'succeeded',
    });
    expect(farm.disk.publishedIds.get(id)).toHaveLength(1);
  });

  it('writes down why each package is left out, with what of it was not built', async () => {
    const farm = await newFarm();
    farm.disk.partToPublish = async ({ packageIds }) => ({
      serial: 0,
      packageIds: [],
      leftOut: packageIds.map((id) => ({
        id,
        cpv: 'a/other-1',
        reason: 'It needs d/lib.',
        lacks: ['d/lib'],
      })),
    });
    const id = await failed(farm, true);
    expect(await farm.request(id)).toMatchObject({
      state: 'failed',
      reason: `${FAILURE} Nothing new of it can be published. a/other-1 is left out, for one. It needs d/lib.`,
    });
    expect(await leftOut(farm, id)).toEqual({
      'a/other-1': 'It needs d/lib. d/lib-2 was not built: it is failed.',
    });
    expect(farm.disk.publications).toEqual([]);
  });

  it('is done when everything can be published, and only then', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const build = async (): Promise<string> => {
      const request = await farm.builds.createRequest({
        ...BLOCKED,
        publish: 'testing',
        partial: true,
      });
      const lease = await farm.take('one');
      await farm.builds.acceptPlan(lease.key, makePlan(['a/b-1', 'a/c-1']));
      await farm.builds.acceptResult(lease.key, { outcome: 'succeeded' });
      await farm.build(await farm.take('one'));
      await farm.build(await farm.take('one'));
      await farm.finished(request.id);
      return request.id;
    };
    expect(await farm.request(await build())).toMatchObject({ state: 'done', reason: null });
    farm.disk.partToPublish = async ({ packageIds }) => ({
      serial: 1,
      packageIds: packageIds.slice(0, 1),
      leftOut: packageIds
        .slice(1)
        .map((id) => ({ id, cpv: 'a/c-1', reason: 'It would break x.', lacks: [] })),
    });
    const second = await build();
    expect(await farm.request(second)).toMatchObject({
      state: 'partial',
      reason: 'Everything was built. 1 package is published on testing, 1 left out.',
    });
    expect(Object.values(await leftOut(farm, second))).toEqual([null, 'It would break x.']);
  });

  it('works it out again when somebody else publishes meanwhile', async () => {
    const farm = await newFarm();
    let asked = 0;
    farm.disk.partToPublish = async ({ packageIds }) => {
      asked += 1;
      return { serial: asked === 1 ? 7 : 0, packageIds, leftOut: [] };
    };
    expect((await farm.request(await failed(farm, true))).state).toBe('partial');
    expect(asked).toBe(2);
  });

  it('goes on after a stop between the publication and its note, and publishes once', async () => {
    const farm = await newFarm();
    const id = await failed(farm, true);
    await farm.database
      .updateTable('requests')
      .set({ state: 'publishing', finished_at: null })
      .where('id', '=', id)
      .execute();
    farm.disk.partToPublish = async () => ({ serial: 1, packageIds: [], leftOut: [] });
    await farm.stop();
    await farm.start();
    expect((await farm.finished(id)).state).toBe('partial');
    expect(farm.disk.publications).toHaveLength(1);
  });

  it('is refused without a channel', async () => {
    const farm = await newFarm();
    await expect(farm.builds.createRequest({ ...BLOCKED, partial: true })).rejects.toMatchObject({
      code: 'channel-required',
    });
  });
});

describe('publishing a request that has ended', () => {
  it('publishes its part, and replaces nothing that came since', async () => {
    const farm = await newFarm();
    const id = await failed(farm, false);
    const { finishedAt } = await farm.request(id);
    expect(farm.disk.publications).toEqual([]);
    let asked: unknown;
    farm.disk.partToPublish = async (request) => {
      asked = request;
      return { serial: 0, packageIds: request.packageIds, leftOut: [] };
    };
    farm.clock.advance(3_600_000);
    await expect(
      farm.builds.publishRequest(id, { actor: 'token:me', partial: false }),
    ).rejects.toMatchObject({ code: 'request-incomplete' });
    await farm.builds.publishRequest(id, { actor: 'token:me', partial: true });
    await farm.until(id, 'partial');
    expect(await farm.request(id)).toMatchObject({ finishedAt });
    expect(asked).toMatchObject({ channel: 'testing', notOver: finishedAt });
    const again = farm.builds.publishRequest(id, { actor: 'token:me', partial: true });
    await expect(again).rejects.toMatchObject({ code: 'request-published' });
  });

  it('publishes what was refused when it was built, once that is mended', async () => {
    const farm = await newFarm();
    farm.disk.failNext('publish', new AppError('publication-refused', 'Something is missing.'));
    const request = await farm.plan(makePlan(['a/b-1']), 'testing');
    await farm.agent('one');
    await farm.build(await farm.take('one'));
    expect((await farm.finished(request.id)).state).toBe('failed');
    await farm.builds.publishRequest(request.id, { actor: 'token:me', partial: false });
    await farm.until(request.id, 'done');
    expect(farm.disk.publications).toHaveLength(1);
  });

  it('needs a channel that it may be published on, an end, and something built', async () => {
    const farm = await newFarm();
    const publish = { actor: 'token:me', partial: true };
    const call = async (id: string, more = {}) =>
      await farm.builds.publishRequest(id, { ...publish, ...more });
    await expect(call('req-none')).rejects.toMatchObject({ code: 'unknown-request' });
    const request = await farm.plan(makePlan(['a/b-1']));
    await expect(call(request.id)).rejects.toMatchObject({ code: 'request-unfinished' });
    await farm.agent('one');
    await farm.fail((await farm.take('one')).key);
    await farm.finished(request.id);
    await expect(call(request.id)).rejects.toMatchObject({ code: 'channel-required' });
    await expect(call(request.id, { channel: 'none' })).rejects.toMatchObject({
      code: 'unknown-channel',
    });
    await expect(call(request.id, { channel: 'testing' })).rejects.toMatchObject({
      code: 'nothing-built',
    });
  });
});
