import { describe, expect, it } from '@jest/globals';
import type { Repository } from '../../src/repository/repository.ts';
import { type Farm, makePlan, makeRecipe, planPackage, sourceProfile } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();
const ASK = { profile: 'web', atoms: ['d/lib'], author: 'token:test', publish: 'testing' };
const LIB = planPackage('d/lib-2', { slot: '0/2' });
const BECAUSE = 'it was built against d/lib:0/1=, and d/lib-2 has 0/2';

/** The channel has these consumers of the library. */
function consumers(farm: Farm, ...names: readonly string[]): void {
  farm.disk.toRebuild = async ({ planned }) =>
    planned.some(({ cpv }) => cpv === 'd/lib-2')
      ? names.map((name) => ({ atom: `${name}:0`, cpv: `${name}-1`, because: BECAUSE }))
      : [];
}

async function answer(farm: Farm, plan: ReturnType<typeof makePlan>): Promise<readonly string[]> {
  const lease = await farm.take('one');
  if (lease.work.kind !== 'plan') {
    throw new Error(`this is ${lease.work.kind}`);
  }
  await farm.builds.acceptPlan(lease.key, plan);
  await farm.builds.acceptResult(lease.key, { outcome: 'succeeded' });
  const { atoms, anew } = lease.work;
  return [atoms.join(' '), anew.join(' ')];
}

async function reasons(farm: Farm, id: string): Promise<Record<string, string | null>> {
  const jobs = await farm.builds.jobsOf(id);
  return Object.fromEntries(
    jobs.filter(({ kind }) => kind === 'package').map(({ name, because }) => [name, because]),
  );
}

async function buildAll(farm: Farm): Promise<string[]> {
  const built: string[] = [];
  for (let lease = await farm.lease('one'); lease !== undefined; lease = await farm.lease('one')) {
    const key = { jobId: lease.jobId, attempt: lease.attempt, agent: 'one' };
    built.push(await farm.build({ ...lease, key }));
  }
  return built;
}

describe('what has to be built again with a plan', () => {
  it('is asked for in another plan, and built for that reason', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    consumers(farm, 'a/one', 'a/two');
    const request = await farm.builds.createRequest(ASK);
    expect(await answer(farm, makePlan([LIB]))).toEqual(['d/lib', '']);
    expect(await farm.request(request.id)).toMatchObject({ state: 'planning' });
    const plans = (await farm.builds.jobsOf(request.id)).map(({ because }) => because);
    expect(plans).toEqual([null, `To be built again: a/one:0 (${BECAUSE}), a/two:0 (${BECAUSE}).`]);

    const both = makePlan(
      [LIB, 'a/one-1', 'a/two-3'],
      [
        ['a/one-1', 'd/lib-2', 'buildtime'],
        ['a/two-3', 'd/lib-2', 'buildtime'],
      ],
    );
    expect(await answer(farm, both)).toEqual(['d/lib a/one:0 a/two:0', 'a/one:0 a/two:0']);
    expect(await reasons(farm, request.id)).toEqual({
      'd/lib-2': null,
      'a/one-1': `Rebuilt because ${BECAUSE}.`,
      'a/two-3': `Rebuilt because ${BECAUSE}.`,
    });
    expect(await buildAll(farm)).toEqual(['d/lib-2', 'a/one-1', 'a/two-3']);
    expect((await farm.finished(request.id)).state).toBe('done');
    expect(farm.disk.publishedIds.get(request.id)).toHaveLength(3);
  });

  it('is known for its reason when Portage has planned it by itself', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    consumers(farm, 'a/one');
    const request = await farm.builds.createRequest(ASK);
    await answer(farm, makePlan([LIB, 'a/one-1']));
    expect(await reasons(farm, request.id)).toMatchObject({
      'a/one-1': `Rebuilt because ${BECAUSE}.`,
    });
  });

  it('ends when a plan goes on without it, and after five plans', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    consumers(farm, 'a/one');
    const request = await farm.builds.createRequest(ASK);
    await answer(farm, makePlan([LIB]));
    await answer(farm, makePlan([LIB]));
    expect(await farm.states(request.id)).toEqual({ 'd/lib-2': 'ready' });

    let round = 0;
    farm.disk.toRebuild = async () => {
      round += 1;
      return [{ atom: `a/again${round}:0`, cpv: `a/again${round}-1`, because: BECAUSE }];
    };
    const other = await farm.builds.createRequest(ASK);
    await farm.builds.cancelRequest(request.id, 'token:test');
    for (let plan = 0; plan < 5; plan += 1) {
      await answer(farm, makePlan([planPackage('d/new-1', { slot: '0/1' })]));
    }
    expect(await farm.states(other.id)).toEqual({ 'd/new-1': 'ready' });
  });

  it('ends the request with words when there is no such plan, or is left out of a part', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    consumers(farm, 'a/gone');
    const refused = makePlan([], [], { ok: false, problems: ['a/gone:0 is not there.'] });
    const whole = await farm.builds.createRequest(ASK);
    await answer(farm, makePlan([LIB]));
    await answer(farm, refused);
    expect(await farm.finished(whole.id)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining(
        `No plan could be made. To be built again with it: a/gone:0 (${BECAUSE}). Portage found no way`,
      ),
    });

    const part = await farm.builds.createRequest({ ...ASK, partial: true });
    await answer(farm, makePlan([LIB, 'a/free-1']));
    await answer(farm, refused);
    expect(await answer(farm, makePlan([LIB, 'a/free-1']))).toEqual(['d/lib', '']);
    expect((await buildAll(farm)).toSorted()).toEqual(['a/free-1', 'd/lib-2']);
    expect(await farm.finished(part.id)).toMatchObject({ state: 'partial' });
  });

  it('is not looked for when nothing is published', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    consumers(farm, 'a/one');
    const { publish: _, ...ask } = ASK;
    const request = await farm.builds.createRequest(ask);
    await answer(farm, makePlan([LIB]));
    expect(await farm.states(request.id)).toEqual({ 'd/lib-2': 'ready' });
  });
});

/** Once this is built, the consumer has lost a library. */
function losesSoname(farm: Farm, cpv: string, names: readonly string[]): void {
  const toRebuild: Repository['toRebuild'] = async ({ changed = [] }) => {
    const built = await farm.database
      .selectFrom('packages')
      .select('cpv')
      .where('id', 'in', [...changed, ''])
      .execute();
    return built.some((one) => one.cpv === cpv)
      ? names.map((name) => ({
          atom: `${name}:0`,
          cpv: `${name}-1`,
          because: `liblib.so.1 is gone from ${cpv}`,
        }))
      : [];
  };
  farm.disk.toRebuild = toRebuild;
}

describe('what a built package makes necessary', () => {
  it('is planned and built before the request is published, once, and takes the place of what was there', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const early = await farm.builds.createRequest({ ...ASK, atoms: ['a/one'] });
    await answer(farm, makePlan(['a/one-1']));
    await buildAll(farm);
    await farm.finished(early.id);

    losesSoname(farm, 'd/lib-2', ['a/one', 'a/two', 'a/three']);
    const request = await farm.builds.createRequest(ASK);
    const old = planPackage('a/one-1', { type: 'binary', buildId: 1 });
    await answer(farm, makePlan([LIB, old, 'a/three-2'], [['a/three-2', 'd/lib-2', 'buildtime']]));
    await farm.build(await farm.take('one'));
    expect(farm.disk.publishedIds.has(request.id)).toBe(false);
    const more = makePlan(['a/one-1', 'a/two-1', 'd/new-1'], [['a/two-1', 'd/new-1', 'buildtime']]);
    expect(await farm.request(request.id)).toMatchObject({ state: 'building' });
    expect(await answer(farm, more)).toEqual(['a/one:0 a/two:0', 'a/one:0 a/two:0']);
    expect(await buildAll(farm)).toHaveLength(4);

    expect((await farm.finished(request.id)).state).toBe('done');
    const because = 'Rebuilt because liblib.so.1 is gone from d/lib-2.';
    expect(await reasons(farm, request.id)).toEqual({
      'd/lib-2': null,
      'a/three-2': null,
      'a/one-1': because,
      'a/two-1': because,
      'd/new-1': null,
    });
    const packages = await farm.builds.packagesOf(request.id);
    expect(
      packages.map(({ package: { cpv, buildId }, how }) => `${cpv}#${buildId} ${how}`),
    ).toEqual([
      'a/one-1#2 built',
      'a/three-2#1 built',
      'a/two-1#1 built',
      'd/lib-2#1 built',
      'd/new-1#1 built',
    ]);
  });

  it('fails the request with words when it cannot be planned', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    losesSoname(farm, 'd/lib-2', ['a/gone']);
    const request = await farm.builds.createRequest(ASK);
    await answer(farm, makePlan([LIB]));
    await farm.build(await farm.take('one'));
    await answer(farm, makePlan([], [], { ok: false, problems: ['a/gone:0 is not there.'] }));
    expect(await farm.finished(request.id)).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(
        /^1 of 1 package was built\. First failure: plan\. To be built again with it: a\/gone:0 \(liblib\.so\.1 is gone from d\/lib-2\)\. Portage/,
      ),
    });
    expect(farm.disk.publications).toEqual([]);
  });
});

describe('what has to be built again by recipes', () => {
  const RECIPES = sourceProfile([
    makeRecipe('d/lib-2', { slot: '0/2' }),
    makeRecipe('a/one-1', { depend: ['d/lib'], rdepend: ['d/lib:='] }),
    makeRecipe('a/two-1', { depend: ['d/lib'] }),
  ]);
  const SOURCE = { ...ASK, profile: 'php' };

  it('comes with the plan when a sub-slot changes', async () => {
    const farm = await newFarm([RECIPES]);
    await farm.agent('one');
    consumers(farm, 'a/one');
    const request = await farm.builds.createRequest(SOURCE);
    expect(await reasons(farm, request.id)).toEqual({
      'd/lib-2': null,
      'a/one-1': `Rebuilt because ${BECAUSE}.`,
    });
    expect(await buildAll(farm)).toEqual(['d/lib-2', 'a/one-1']);
    expect((await farm.finished(request.id)).state).toBe('done');
  });

  it('comes when the library is built and has lost a soname', async () => {
    const farm = await newFarm([RECIPES]);
    await farm.agent('one');
    await farm.builds.createRequest({ ...SOURCE, atoms: ['a/two'] });
    await buildAll(farm);
    losesSoname(farm, 'd/lib-2', ['a/one', 'a/two']);
    const request = await farm.builds.createRequest({ ...SOURCE, rebuild: true });
    expect(await buildAll(farm)).toEqual(['d/lib-2', 'a/one-1', 'a/two-1']);
    expect((await farm.finished(request.id)).state).toBe('done');
    expect(
      (await farm.repository.packagesByCpv('php', 'a/two-1')).map((one) => one.buildId),
    ).toEqual([2, 1]);
    expect(await reasons(farm, request.id)).toMatchObject({
      'a/two-1': 'Rebuilt because liblib.so.1 is gone from d/lib-2.',
    });
  });

  it('refuses what cannot be planned at once, and fails for what turns out later', async () => {
    const farm = await newFarm([RECIPES]);
    await farm.agent('one');
    consumers(farm, 'a/gone');
    await expect(farm.builds.createRequest(SOURCE)).rejects.toMatchObject({
      code: 'rebuild-not-planned',
      message: expect.stringContaining('a/gone:0'),
    });
    losesSoname(farm, 'd/lib-2', ['a/gone']);
    const request = await farm.builds.createRequest(SOURCE);
    await buildAll(farm);
    expect(await farm.finished(request.id)).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(
        /a\/gone:0 \(liblib\.so\.1 is gone from d\/lib-2\).*no recipe/s,
      ),
    });
  });
});
