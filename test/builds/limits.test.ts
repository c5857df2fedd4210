import { describe, expect, it } from '@jest/globals';
import { limitsOf } from '../../src/builds/limits.ts';
import { poll } from '../support/poll.ts';
import { packageBytes } from './fake-repository.ts';
import { makePlan, makeProfile, SETTINGS } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();
const MINUTE_MS = 60_000;
const DEFAULTS = { silenceMs: 1000, runMs: 10_000, logBytes: 100, diskBytes: 500 };
const MEASURED = {
  profile: 'web',
  package: 'a/b',
  runs: 3,
  longest_ms: 5000,
  longest_silence_ms: 100,
  largest_log_bytes: 30,
  largest_disk_bytes: 200,
};

describe('limitsOf', () => {
  it('takes the default, and four times what it took before when that is more', () => {
    const from = { defaults: DEFAULTS, policy: undefined };
    expect(limitsOf('a/b', { ...from, measured: undefined })).toEqual(DEFAULTS);
    expect(limitsOf('a/b', { ...from, measured: MEASURED })).toEqual({
      silenceMs: 1000,
      runMs: 20_000,
      logBytes: 120,
      diskBytes: 800,
    });
  });

  it('takes what the profile says, for the package before all of them, whatever was measured', () => {
    const policy = { all: { runMs: 1, logBytes: 2 }, packages: { 'a/b': { runMs: 3 } } };
    const from = { defaults: DEFAULTS, policy, measured: MEASURED };
    expect(limitsOf('a/b', from)).toMatchObject({ runMs: 3, logBytes: 2, diskBytes: 800 });
    expect(limitsOf('a/c', from)).toMatchObject({ runMs: 1, logBytes: 2 });
  });
});

describe('the limits of a job', () => {
  it('are told with the lease, and are learned from the builds before', async () => {
    const farm = await newFarm([
      makeProfile({ limits: { all: {}, packages: { 'a/b': { diskBytes: 7 } } } }),
    ]);
    await farm.agent('one');
    await farm.plan(makePlan(['a/b-1', 'a/c-1']));
    const lease = await farm.take('one');
    expect(lease.limits).toEqual({ ...SETTINGS.limits, diskBytes: 7 });
    await farm.keepBuilding([lease.key], 20 * MINUTE_MS);
    await farm.upload(lease.key, packageBytes('a/b-1', '1'));
    await farm.builds.acceptResult(lease.key, {
      outcome: 'succeeded',
      measured: { silenceMs: 400_000, logBytes: 100, diskBytes: 1e9 },
    });
    expect((await farm.take('one')).limits).toEqual(SETTINGS.limits);

    await farm.plan(makePlan(['a/b-2']));
    const next = await farm.take('one');
    expect(next.limits).toEqual({
      ...SETTINGS.limits,
      silenceMs: 1_600_000,
      runMs: 4 * 20 * MINUTE_MS,
      diskBytes: 7,
    });
  });

  it.each([
    ['silent', 600_000, 'wrote nothing to its log', '"silence" is 10m'],
    ['long', 7_200_000, 'The build ran for', '"run" is 1h'],
  ])('end a build that is too %s, when its agent does not', async (what, ms, did, limit) => {
    const farm = await newFarm([makeProfile()], { heartbeatMs: 10 });
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1']));
    const { key } = await farm.take('one');
    let offset = 0;
    for (let passed = 0; passed <= ms + SETTINGS.leaseMs; passed += 30_000) {
      expect(await farm.builds.heartbeat(key)).toBe('go-on');
      if (what === 'long') {
        offset = await farm.builds.appendLog(key, offset, Buffer.from('.'));
      }
      farm.clock.advance(30_000);
    }
    const ended = await farm.finished(request.id);
    expect(ended.reason).toContain(did);
    expect(ended.reason).toContain(limit);
    expect(ended.reason).toContain('The agent one did not end it, so the server has.');
    await expect(farm.builds.heartbeat(key)).rejects.toMatchObject({ code: 'stale-attempt' });
    expect((await farm.builds.attemptsOf(key.jobId))[0]).toMatchObject({
      outcome: 'overdue',
      code: 'limit-exceeded',
      fault: 'package',
    });
  });

  it('count silence only while the server could hear', async () => {
    const farm = await newFarm([makeProfile()], { heartbeatMs: 10 });
    await farm.agent('one');
    await farm.plan(makePlan(['a/b-1']));
    const { key } = await farm.take('one');
    await farm.stop();
    farm.clock.advance(2_000_000);
    await farm.start();
    const before = farm.events.length;
    await farm.builds.heartbeat(key);
    await poll('a few sweeps', async () => {
      await farm.builds.heartbeat(key);
      farm.clock.advance(1000);
      return farm.clock.now() % 60_000 < 1000 ? true : undefined;
    });
    expect(farm.events.slice(before).map(({ kind }) => kind)).toEqual([]);
    expect(await farm.builds.heartbeat(key)).toBe('go-on');
  });
});
