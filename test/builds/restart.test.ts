import { describe, expect, it } from '@jest/globals';
import { poll } from '../support/poll.ts';
import { makePlan, SETTINGS } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();

describe('a restart', () => {
  it('lets an agent that goes on trying go on with the same attempt', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1', 'a/c-1'], [['a/c-1', 'a/b-1', 'runtime']]));
    const lease = await farm.take('one');
    await farm.builds.appendLog(lease.key, 0, Buffer.from('half of '));

    await farm.kill();
    farm.clock.advance(10 * SETTINGS.leaseMs);
    await farm.start();

    expect(await farm.builds.heartbeat(lease.key)).toBe('go-on');
    expect(await farm.builds.appendLog(lease.key, 0, Buffer.from('half of it'))).toBe(10);
    await farm.build(lease);
    await farm.build(await farm.take('one'));
    expect((await farm.finished(request.id)).state).toBe('done');
    expect((await farm.jobs(request.id))['a/b-1']?.attempt).toBe(1);
  });

  it('gives the job of an agent that is gone to another after one lease', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await farm.plan(makePlan(['a/b-1']));
    const lease = await farm.take('one');
    await farm.kill();
    farm.clock.advance(10 * SETTINGS.leaseMs);
    await farm.start();
    farm.clock.advance(SETTINGS.leaseMs);
    expect(await farm.lease('one')).toBeUndefined();
    farm.clock.advance(1);
    expect(await farm.take('one')).toMatchObject({ jobId: lease.jobId, attempt: 2 });
  });

  it('goes on with what was being published, once', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1']), 'testing');
    farm.disk.failNext('publish', new Error('killed'));
    await farm.build(await farm.take('one'));
    await poll('the fault', () => (farm.disk.faults.length === 0 ? true : undefined));
    await farm.kill();
    await farm.start();
    expect((await farm.finished(request.id)).state).toBe('done');
    expect(farm.disk.publications).toHaveLength(1);
  });
});
