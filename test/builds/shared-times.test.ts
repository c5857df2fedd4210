import { afterEach, describe, expect, it } from '@jest/globals';
import { createBuilds } from '../../src/builds/create-builds.ts';
import { SharedClock } from '../../src/database/shared-clock.ts';
import { Journal } from '../../src/journal/journal.ts';
import type { Service } from '../../src/support/lifecycle.ts';
import { Locks } from '../../src/support/locks.ts';
import { silentLog } from '../../src/support/log.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type Farm, makePlan, makeProfile, SETTINGS } from './farm.ts';
import { farmMaker } from './farm-maker.ts';
import { NO_TREES } from './no-trees.ts';

const newFarm = farmMaker();
const HOUR = 3_600_000;
const running: Service[] = [];

afterEach(async () => {
  for (const service of running.splice(0)) {
    await service.stop();
  }
});

/** A second server on the database of the farm, whose clock is the database's; it does not lead. */
async function secondServer(farm: Farm, machine: ManualClock) {
  const clock = await SharedClock.open(machine, async () => farm.clock.now());
  const { builds, service } = createBuilds({
    database: farm.database,
    journal: new Journal(farm.database, clock),
    clock,
    log: silentLog(),
    locks: new Locks(),
    repository: farm.repository,
    trees: NO_TREES,
    profiles: { list: () => [makeProfile()], broken: () => ({}), get: () => makeProfile() },
    folders: { state: farm.folder },
    settings: SETTINGS,
    othersServe: true,
    leads: () => false,
  });
  await service.start();
  running.push(service);
  return { clock, builds };
}

async function leaseEnd(farm: Farm, jobId: string): Promise<number | null | undefined> {
  const row = await farm.database
    .selectFrom('jobs')
    .select('lease_expires_at')
    .where('id', '=', jobId)
    .executeTakeFirst();
  return row?.lease_expires_at;
}

describe('times that several servers share', () => {
  it('stay when the clock of one server’s machine is set', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await farm.agent('two');
    await farm.plan(makePlan(['a/b-1']));
    const lease = await farm.take('one');
    const machine = new ManualClock(farm.clock.now());
    const second = await secondServer(farm, machine);
    for (const ms of [HOUR, -2 * HOUR]) {
      machine.jump(ms);
      await second.clock.adjust();
      expect(await second.builds.lease('two', 0, new AbortController().signal)).toBeUndefined();
      expect(await leaseEnd(farm, lease.jobId)).toBe(farm.clock.now() + SETTINGS.leaseMs);
      expect(await farm.builds.heartbeat(lease.key)).toBe('go-on');
      expect(await second.builds.heartbeat(lease.key)).toBe('go-on');
    }
  });

  it('are moved once, by the one that leads, when the database’s clock is set', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await farm.plan(makePlan(['a/b-1']));
    const lease = await farm.take('one');
    const second = await secondServer(farm, new ManualClock(farm.clock.now()));
    const before = (await leaseEnd(farm, lease.jobId)) ?? 0;
    farm.clock.jump(HOUR);
    await second.clock.adjust();
    const { signal } = new AbortController();
    await second.builds.lease('one', 0, signal);
    await farm.lease('one');
    await second.builds.lease('one', 0, signal);
    expect(await leaseEnd(farm, lease.jobId)).toBe(before + HOUR);
    expect(await farm.builds.heartbeat(lease.key)).toBe('go-on');
  });
});
