import { describe, expect, it } from '@jest/globals';
import { makePlan, makeProfile, SETTINGS } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();
const SHARED = { distcc: true, ccacheBytes: null };

async function register(
  farm: Awaited<ReturnType<typeof newFarm>>,
  name: string,
  change: { compiler?: string | null; chost?: string; jobs?: number } = {},
): Promise<void> {
  const { compiler = 'gcc-14.2.1', chost = 'x86_64-pc-linux-gnu', jobs = 8 } = change;
  await farm.builds.registerAgent({
    name,
    chost,
    cpuFlags: [],
    cores: 4,
    memoryBytes: 1,
    portageVersion: null,
    executors: ['portage'],
    compiler,
    diskFreeBytes: null,
    labels: [],
    profiles: [],
    slots: 1,
    distccd: { host: `${name}.farm`, port: 3632, jobs },
  });
}

describe('the hosts of a lease', () => {
  it('are the live agents of the same CHOST and compiler, those that compile most first', async () => {
    const farm = await newFarm([makeProfile({ compileSharing: SHARED })]);
    await register(farm, 'gone');
    farm.clock.advance(SETTINGS.leaseMs + 60_000);
    await register(farm, 'own');
    await register(farm, 'small', { jobs: 2 });
    await register(farm, 'large', { jobs: 64 });
    await register(farm, 'old', { compiler: 'gcc-13.3.0' });
    await register(farm, 'other-chost', { chost: 'aarch64-unknown-linux-gnu' });
    await register(farm, 'unknown', { compiler: null });
    await farm.agent('without-distccd');
    await farm.builds.createRequest({ profile: 'web', atoms: ['a/b'], author: 'test' });
    const { compileHosts } = await farm.take('own');
    expect(compileHosts).toEqual([
      { agent: 'large', host: 'large.farm', port: 3632, jobs: 64 },
      { agent: 'small', host: 'small.farm', port: 3632, jobs: 2 },
    ]);
  });

  it('are none when nobody knows what compiler the agent has', async () => {
    const farm = await newFarm([makeProfile({ compileSharing: SHARED })]);
    await register(farm, 'own', { compiler: null });
    await register(farm, 'unknown', { compiler: null });
    await farm.builds.createRequest({ profile: 'web', atoms: ['a/b'], author: 'test' });
    expect((await farm.take('own')).compileHosts).toEqual([]);
  });

  it('are not named to a build of a profile that does not want that', async () => {
    const farm = await newFarm();
    await register(farm, 'own');
    await register(farm, 'other');
    await farm.plan(makePlan(['a/b-1']));
    expect('compileHosts' in (await farm.take('own'))).toBe(false);
  });
});
