import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Builds } from '../../src/builds/builds.ts';
import { beginOf, dueTimes } from '../../src/builds/schedule/due-times.ts';
import { Scheduler } from '../../src/builds/schedule/scheduler.ts';
import type { ScheduledRun } from '../../src/builds/schedule/schedules.ts';
import type { HardwareProfile } from '../../src/gentoo/profile.ts';
import type { ScheduledWork, SchedulePolicy } from '../../src/gentoo/schedule-policy.ts';
import { Journal } from '../../src/journal/journal.ts';
import { Locks } from '../../src/support/locks.ts';
import { silentLog } from '../../src/support/log.ts';
import { FakeCheck } from '../http/fake-check.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { Farm, makePlan, makeProfile } from './farm.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const root = temporaryFolder();
const KEY = { profile: 'web', name: 'nightly' };
const WORK: ScheduledWork & { readonly do: 'request' } = {
  do: 'request',
  atoms: ['@world'],
  publish: 'testing',
  partial: true,
  rebuildFor: null,
  sync: true,
  rebuild: false,
  resolve: [],
  retry: false,
  priority: 3,
};
/** ManualClock begins at 2026-01-02T03:04:05Z; the first time is on the same day at 23:00Z. */
const NIGHTLY: SchedulePolicy = {
  cron: '0 0 * * *',
  timeZone: 'Europe/Berlin',
  jitterMs: 0,
  graceMs: 15 * MINUTE,
  missed: 'run-once',
  work: WORK,
};
const FIRST = Date.parse('2026-01-02T23:00Z');
let farm: Farm;

afterEach(async () => {
  await farm.stop();
});

/** The schedules of one profile on a real build room. */
class Nights {
  readonly check = new FakeCheck();
  profile: HardwareProfile;
  scheduler: Scheduler;

  constructor(policy: Partial<SchedulePolicy> = {}) {
    this.profile = makeProfile({ schedules: { nightly: { ...NIGHTLY, ...policy } } });
    this.scheduler = this.open();
  }

  /** A new one, as after a restart. */
  open(change: Partial<Builds> = {}): Scheduler {
    const { database, clock, builds, repository } = farm;
    const journal = new Journal(database, clock);
    this.scheduler = new Scheduler({
      database,
      journal,
      clock,
      log: silentLog(),
      locks: new Locks(),
      check: this.check,
      builds: { ...builds, ...change },
      retention: repository.retention,
      profiles: {
        list: () => [this.profile],
        broken: () => ({}),
        get: () => this.profile,
      },
    });
    return this.scheduler;
  }

  async look(): Promise<void> {
    await this.scheduler.look();
  }

  async at(time: number): Promise<void> {
    farm.clock.advance(time - farm.clock.now());
    await this.look();
  }

  async runs(): Promise<readonly ScheduledRun[]> {
    const [schedule] = await this.scheduler.list(100);
    return schedule?.runs ?? [];
  }

  async states(): Promise<string[]> {
    return (await this.runs()).map(
      ({ plannedAt, state }) => `${new Date(plannedAt).toISOString().slice(5, 16)} ${state}`,
    );
  }

  async kinds(): Promise<string[]> {
    const journal = new Journal(farm.database, farm.clock);
    const events = await journal.find({ limit: 100, subject: 'schedule:web/nightly', after: 0 });
    return events.map(({ kind }) => kind);
  }
}

async function start(policy: Partial<SchedulePolicy> = {}): Promise<Nights> {
  const schedules = { nightly: { ...NIGHTLY, ...policy } };
  farm = await Farm.start(mkdtempSync(join(root, 'farm-')), [makeProfile({ schedules })]);
  const nights = new Nights(policy);
  await nights.look();
  return nights;
}

async function requests(): Promise<number> {
  return (await farm.builds.listRequests({ limit: 100 })).length;
}

async function cancelAll(): Promise<void> {
  for (const { id, state } of await farm.builds.listRequests({ limit: 100 })) {
    if (state !== 'cancelled') {
      await farm.builds.cancelRequest(id, 'test');
    }
  }
}

describe('a schedule', () => {
  it('asks for a build at its time and not before, and says how that ended', async () => {
    const nights = await start();
    await nights.at(FIRST - 1);
    expect(await requests()).toBe(0);
    await nights.at(FIRST);
    const [request] = await farm.builds.listRequests({ limit: 1 });
    expect(request).toMatchObject({
      atoms: ['@world'],
      publish: 'testing',
      author: 'schedule:web/nightly',
      priority: 3,
    });
    expect(await nights.runs()).toMatchObject([
      { plannedAt: FIRST, startedAt: FIRST, state: 'running', requestId: request?.id },
    ]);
    await nights.look();
    expect(await requests()).toBe(1);

    await cancelAll();
    await nights.at(FIRST + HOUR);
    expect(await nights.runs()).toMatchObject([{ state: 'cancelled', finishedAt: FIRST + HOUR }]);
    expect(await nights.kinds()).toEqual(['schedule-started', 'schedule-ended']);
  });

  it('begins nothing twice after a restart, and nothing while the last run is under way', async () => {
    const nights = await start();
    await nights.at(FIRST);
    nights.open();
    await nights.look();
    expect(await requests()).toBe(1);

    await nights.at(FIRST + 24 * HOUR);
    expect(await nights.states()).toEqual(['01-03T23:00 skipped', '01-02T23:00 running']);
    expect((await nights.runs())[0]?.reason).toMatch(/2026-01-02T23:00.*under way \(request req-/);
    expect(await nights.kinds()).toEqual(['schedule-started', 'schedule-skipped']);
    expect(await requests()).toBe(1);

    await cancelAll();
    await nights.at(FIRST + 48 * HOUR);
    expect(await requests()).toBe(2);
  });

  it.each(['before', 'after'] as const)(
    'asks once when the server is killed right %s the request is made',
    async (when) => {
      const nights = await start();
      const { builds } = farm;
      const dies = async (wanted: Parameters<Builds['createRequest']>[0]): Promise<never> => {
        if (when === 'after') {
          await builds.createRequest(wanted);
        }
        throw new Error('killed');
      };
      nights.open({ createRequest: dies });
      await nights.at(FIRST);
      expect(await nights.states()).toEqual(['01-02T23:00 starting']);
      nights.open();
      await nights.look();
      expect(await nights.states()).toEqual(['01-02T23:00 running']);
      expect(await requests()).toBe(1);
    },
  );

  it('makes up for missed runs once, and says what was missed', async () => {
    const nights = await start();
    await nights.at(FIRST + 50 * HOUR);
    expect(await nights.states()).toEqual([
      '01-04T23:00 running',
      '01-03T23:00 missed',
      '01-02T23:00 missed',
    ]);
    expect(await requests()).toBe(1);
    expect(await nights.kinds()).toEqual(['schedule-missed', 'schedule-started']);
  });

  it('waits for the next time after missed runs where the policy says so', async () => {
    const nights = await start({ missed: 'skip' });
    await nights.at(FIRST + 16 * MINUTE);
    expect(await nights.states()).toEqual(['01-02T23:00 missed']);
    await nights.at(FIRST + 24 * HOUR + 14 * MINUTE);
    expect(await nights.states()).toEqual(['01-03T23:00 running', '01-02T23:00 missed']);
  });

  it('that has come very often meanwhile is neither run often nor noted often', async () => {
    const nights = await start({ cron: '* * * * * *' });
    await nights.at(FIRST);
    expect(await requests()).toBe(1);
    expect((await nights.runs()).length).toBe(100);
    expect((await nights.runs())[0]).toMatchObject({ plannedAt: FIRST, state: 'running' });
  });

  it('starts anew when its times are changed: nothing is made up for', async () => {
    const nights = await start();
    farm.clock.advance(FIRST + HOUR - farm.clock.now());
    nights.profile = makeProfile({ schedules: { nightly: { ...NIGHTLY, cron: '30 0 * * *' } } });
    await nights.look();
    expect(await nights.states()).toEqual([]);
    await nights.at(FIRST + 24.5 * HOUR);
    expect(await nights.states()).toEqual(['01-03T23:30 running']);
  });

  it('says why a run was refused, and goes on with the next', async () => {
    const nights = await start({ work: { ...WORK, atoms: ['@nothing'] } });
    await nights.at(FIRST);
    expect(await nights.runs()).toMatchObject([
      { state: 'failed', requestId: null, reason: expect.stringContaining('@nothing') },
    ]);
  });

  it('has the tree synced once, for the first plan, and tells agents nothing of schedules', async () => {
    const nights = await start();
    await nights.at(FIRST);
    const [request] = await farm.builds.listRequests({ limit: 1 });
    expect(request).toMatchObject({ partial: true });
    await farm.agent('one');
    const because = 'it was built against d/lib:0/1=';
    farm.disk.toRebuild = async () => [{ atom: 'a/one:0', cpv: 'a/one-1', because }];
    const first = await farm.take('one');
    expect(first.work).toMatchObject({ kind: 'plan', atoms: ['@world'], sync: true });
    expect(Object.keys(first.profile)).not.toContain('schedules');
    await farm.builds.acceptPlan(first.key, makePlan(['d/lib-2']));
    await farm.builds.acceptResult(first.key, { outcome: 'succeeded' });
    const second = await farm.take('one');
    expect(second.work).toMatchObject({ kind: 'plan', anew: ['a/one:0'], sync: false });
    await farm.builds.acceptPlan(
      second.key,
      makePlan(['d/lib-2', 'a/one-1'], [['a/one-1', 'd/lib-2', 'buildtime']]),
    );
    await farm.builds.acceptResult(second.key, { outcome: 'succeeded' });
    const library = await farm.take('one');
    expect(library.work).toMatchObject({ cpv: 'd/lib-2', sync: true });
    farm.disk.toRebuild = async () => [{ atom: 'a/two:0', cpv: 'a/two-1', because }];
    await farm.build(library);
    const more = await farm.take('one');
    expect(more.work).toMatchObject({ kind: 'plan', anew: ['a/two:0'], sync: false });
    await farm.builds.acceptPlan(more.key, makePlan(['a/two-1']));
    await farm.builds.acceptResult(more.key, { outcome: 'succeeded' });
    const works = [(await farm.take('one')).work, (await farm.take('one')).work];
    expect(works).toMatchObject([{ sync: true }, { cpv: 'a/two-1', sync: true }]);
  });

  it('has built again what the gate wants; that this is nothing is no failure', async () => {
    const work = { ...WORK, atoms: [], rebuildFor: 'testing', sync: false };
    const nights = await start({ work });
    await nights.at(FIRST);
    expect(await nights.runs()).toMatchObject([
      {
        state: 'done',
        requestId: null,
        reason: expect.stringContaining('No package of web has to be rebuilt'),
      },
    ]);
    farm.disk.broken = ['a/one:0'];
    await nights.at(FIRST + 24 * HOUR);
    const [request] = await farm.builds.listRequests({ limit: 1 });
    expect(request).toMatchObject({ atoms: ['a/one:0'], rebuild: true, publish: 'testing' });
  });

  it('checks the repository, and knows that a restart cuts a check off', async () => {
    const nights = await start({ work: { do: 'check', deep: true } });
    await nights.at(FIRST);
    expect(nights.check.state()).toMatchObject({ state: 'running', options: { deep: true } });
    nights.check.move({ state: 'done', findings: 2 });
    await nights.look();
    expect(await nights.runs()).toMatchObject([
      { state: 'done', reason: expect.stringContaining('2 faults') },
    ]);
    await nights.at(FIRST + 24 * HOUR);
    nights.open();
    await nights.look();
    expect((await nights.states())[0]).toBe('01-03T23:00 interrupted');
  });
});

describe('people', () => {
  it('run a schedule at once, but not twice at the same time', async () => {
    const nights = await start();
    const run = await nights.scheduler.run(KEY, 'token:ada');
    expect(run).toMatchObject({ state: 'running', actor: 'token:ada' });
    await expect(nights.scheduler.run(KEY, 'token:ada')).rejects.toMatchObject({
      code: 'schedule-running',
    });
    await expect(
      nights.scheduler.run({ profile: 'web', name: 'x' }, 'token:ada'),
    ).rejects.toMatchObject({ code: 'unknown-schedule' });
  });

  it('pause a schedule over restarts; what was planned meanwhile is not made up for', async () => {
    const nights = await start();
    await nights.scheduler.pause(KEY, 'token:ada');
    await expect(nights.scheduler.pause(KEY, 'x')).rejects.toMatchObject({
      code: 'schedule-paused',
    });
    nights.open();
    await nights.at(FIRST + HOUR);
    expect(await nights.scheduler.list(1)).toMatchObject([{ pausedBy: 'token:ada', next: [] }]);
    await nights.scheduler.resume(KEY, 'token:ada');
    await expect(nights.scheduler.resume(KEY, 'x')).rejects.toMatchObject({
      code: 'schedule-not-paused',
    });
    await nights.look();
    expect(await requests()).toBe(0);
    await nights.at(FIRST + 24 * HOUR);
    expect(await requests()).toBe(1);
    expect(await nights.kinds()).toEqual([
      'schedule-paused',
      'schedule-resumed',
      'schedule-started',
    ]);
  });
});

describe('jitter', () => {
  it('is the same for the same run, differs between profiles and nights, and keeps within its bounds', async () => {
    const policy = { ...NIGHTLY, jitterMs: 30 * MINUTE };
    const nights = await start(policy);
    const begins = beginOf(KEY, policy, FIRST);
    expect(begins - FIRST).toBeLessThanOrEqual(30 * MINUTE);
    const times = Array.from({ length: 20 }, (_, night) => FIRST + night * 24 * HOUR);
    expect(new Set(times.map((time) => beginOf(KEY, policy, time) - time)).size).toBeGreaterThan(
      15,
    );
    expect(beginOf({ ...KEY, profile: 'db' }, policy, FIRST)).not.toBe(begins);

    expect(await nights.scheduler.list(0)).toMatchObject([
      { next: [begins, expect.anything(), expect.anything()] },
    ]);
    await nights.at(begins - 1);
    nights.open();
    await nights.look();
    expect(await requests()).toBe(0);
    await nights.at(begins);
    expect(await requests()).toBe(1);
  });

  it('never lets a run begin before the one that is planned before it', async () => {
    await start();
    const policy = { ...NIGHTLY, cron: '* * * * *', jitterMs: HOUR };
    const now = FIRST + 2 * HOUR;
    const due = dueTimes(KEY, policy, { doneUntil: FIRST, now });
    expect(due).toEqual(due.map((_, index) => FIRST + (index + 1) * MINUTE));
    expect(due.every((time) => beginOf(KEY, policy, time) <= now)).toBe(true);
  });
});
