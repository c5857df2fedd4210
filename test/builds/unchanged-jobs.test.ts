import { afterEach, describe, expect, it } from '@jest/globals';
import type { PortagePlan } from '../../src/gentoo/portage-plan.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { Farm, makePlan, planPackage } from './farm.ts';

const folder = temporaryFolder();
let farm: Farm | undefined;

afterEach(async () => {
  await farm?.stop();
  farm = undefined;
});

async function newFarm(): Promise<Farm> {
  farm = await Farm.start(`${folder}/${Math.random()}`);
  await farm.agent('one');
  return farm;
}

function builtWith(cpv: string) {
  return [{ cpv, slot: '0', isOutdated: false }];
}

/** `a/top-1` is built with `a/mid-1`, and that with `a/lib-1`. */
function chain(source: string): PortagePlan {
  return makePlan(
    [
      planPackage('a/lib-1', { source, builtWith: [] }),
      planPackage('a/mid-1', { source: 's', builtWith: builtWith('a/lib-1') }),
      planPackage('a/top-1', { source: 's', builtWith: builtWith('a/mid-1') }),
    ],
    [
      ['a/top-1', 'a/mid-1', 'buildtime'],
      ['a/mid-1', 'a/lib-1', 'buildtime'],
    ],
  );
}

/** Plans, and builds all that is handed out: its CPVs, each with what becomes of its content. */
async function run(
  at: Farm,
  plan: PortagePlan,
  contents: Readonly<Record<string, string>> = {},
): Promise<{ readonly id: string; readonly built: string[] }> {
  const { id } = await at.plan(plan);
  const built: string[] = [];
  for (let lease = await at.lease('one'); lease !== undefined; lease = await at.lease('one')) {
    const key = { jobId: lease.jobId, attempt: lease.attempt, agent: 'one' };
    const name = lease.work.kind === 'portage-package' ? lease.work.cpv : '';
    const record = await at.upload(
      key,
      Buffer.from(JSON.stringify({ cpv: name, nonce: key.jobId })),
    );
    const content = contents[name] ?? null;
    await at.database
      .insertInto('file_levels')
      .values({ sha512: record.sha512, level: 0, path: '', content })
      .execute();
    await at.builds.acceptResult(key, { outcome: 'succeeded' });
    built.push(name);
  }
  expect((await at.finished(id)).state).toBe('done');
  return { id, built };
}

async function taken(at: Farm, id: string): Promise<string[]> {
  const packages = await at.builds.packagesOf(id);
  return packages.map(({ package: { cpv, buildId }, how }) => `${cpv}-${buildId} ${how}`);
}

const ALL = ['a/lib-1', 'a/mid-1', 'a/top-1'];

describe('jobs whose package is there already', () => {
  it('are not done when nothing has changed, and say so', async () => {
    const at = await newFarm();
    expect((await run(at, chain('s'))).built).toEqual(ALL);
    const again = await run(at, chain('s'));
    expect(again.built).toEqual([]);
    expect(await taken(at, again.id)).toEqual(ALL.map((cpv) => `${cpv}-1 reused`));
    const { 'a/top-1': top } = await at.jobs(again.id);
    expect(top).toMatchObject({ state: 'succeeded', attempt: 0, agent: null });
    expect(
      at.events.map(({ kind, data }) => [kind, data['name'], data['packageId']]),
    ).toContainEqual(['job-finished', 'a/top-1', top?.packageId]);
  });

  it('are done as far as what they are built with comes out otherwise', async () => {
    const at = await newFarm();
    await run(at, chain('s'), { 'a/lib-1': 'same', 'a/mid-1': 'same' });
    const same = await run(at, chain('remark'), { 'a/lib-1': 'same' });
    expect(same.built).toEqual(['a/lib-1']);
    expect(await taken(at, same.id)).toEqual([
      'a/lib-1-2 built',
      'a/mid-1-1 reused',
      'a/top-1-1 reused',
    ]);
    const half = await run(at, chain('change'), { 'a/lib-1': 'other', 'a/mid-1': 'same' });
    expect(half.built).toEqual(['a/lib-1', 'a/mid-1']);
    const whole = await run(at, chain('again'), { 'a/lib-1': 'third', 'a/mid-1': 'other' });
    expect(whole.built).toEqual(ALL);
  });

  it('counts a package of which only the file is known by its file', async () => {
    const at = await newFarm();
    await run(at, chain('s'));
    expect((await run(at, chain('remark'))).built).toEqual(ALL);
  });

  it('are done all the same when they were asked for to be rebuilt', async () => {
    const at = await newFarm();
    const contents = { 'a/lib-1': 'same', 'a/mid-1': 'same' };
    await run(at, chain('s'), contents);
    const { id } = await at.builds.createRequest({
      profile: 'web',
      atoms: ['a/mid'],
      rebuild: true,
      author: 'token:test',
    });
    const planning = await at.take('one');
    const plan = chain('s');
    await at.builds.acceptPlan(planning.key, {
      ...plan,
      packages: plan.packages.map((node) => ({ ...node, requested: node.cpv === 'a/mid-1' })),
    });
    await at.builds.acceptResult(planning.key, { outcome: 'succeeded' });
    const lease = await at.take('one');
    expect(lease.work).toMatchObject({ cpv: 'a/mid-1' });
    await at.build(lease);
    expect(await taken(at, id)).toContain('a/mid-1-2 built');
  });

  it('stages the newest build of what a package is built with, also where the plan takes it as installed', async () => {
    const at = await newFarm();
    await run(at, makePlan([planPackage('a/lib-1', { source: 's', builtWith: [] })]));
    const [lib] = await at.repository.packagesByCpv('web', 'a/lib-1');
    const parts = [...builtWith('a/lib-1'), ...builtWith('sys-devel/stage-1')];
    await at.plan(makePlan([planPackage('a/top-1', { source: 's', builtWith: parts })]));
    const lease = await at.take('one');
    expect(at.disk.staged.get(lease.staging)).toEqual([lib?.id]);
    await at.build(lease);
  });
});
