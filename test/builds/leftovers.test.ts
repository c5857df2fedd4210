import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { poll } from '../support/poll.ts';
import { type Farm, makePlan, SETTINGS } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();
const DAY_MS = 86_400_000;
const AGES = { sourcesMs: DAY_MS, logsMs: 90 * DAY_MS };

async function onlyStaged(farm: Farm, names: readonly string[]): Promise<void> {
  await poll(`just the trees ${names.join(' ')}`, async () => {
    const found = [...farm.disk.staged.keys()];
    return found.join() === names.join() ? true : undefined;
  });
}

async function textOf(farm: Farm, jobId: string, offset = 0): Promise<string> {
  const log = await farm.builds.readLog(jobId, { offset, maxBytes: 1000 });
  expect(log.isComplete).toBe(true);
  return log.bytes.toString();
}

describe('a staging tree', () => {
  it('goes when its attempt ends, however it ends', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await farm.plan(makePlan(['a/b-1', 'a/c-1', 'a/d-1']));
    await onlyStaged(farm, []);

    const built = await farm.take('one');
    await onlyStaged(farm, [built.staging]);
    await farm.build(built);
    await onlyStaged(farm, []);
    await farm.fail((await farm.take('one')).key);
    await onlyStaged(farm, []);
    const givenBack = await farm.take('one');
    await farm.builds.acceptResult(givenBack.key, { outcome: 'cancelled' });
    await onlyStaged(farm, []);
    await farm.take('one');
    farm.clock.advance(SETTINGS.leaseMs + 1);
    const last = await farm.take('one');
    await onlyStaged(farm, [last.staging]);
  });

  it('that was made while its lease ran out goes as well', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await farm.agent('two');
    await farm.plan(makePlan(['a/b-1']));
    await onlyStaged(farm, []);
    let taken = '';
    farm.disk.onStage = async () => {
      farm.disk.onStage = () => undefined;
      farm.clock.advance(SETTINGS.leaseMs + 1);
      taken = (await farm.take('two')).staging;
    };
    expect(await farm.lease('one')).toBeUndefined();
    expect(taken).toMatch(/-2$/);
    await onlyStaged(farm, [taken]);
  });

  it('in use stays when leftovers are removed, also one that is made meanwhile', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    await farm.plan(makePlan(['a/b-1', 'a/c-1']));
    await onlyStaged(farm, []);
    const held = await farm.take('one');
    farm.disk.staged.set('req-x-job-x-1', []);
    farm.disk.staged.set(held.staging.replace(/-1$/, '-9'), []);
    let meanwhile = '';
    farm.disk.onListStaged = async () => {
      meanwhile = (await farm.take('one')).staging;
    };

    expect(await farm.builds.removeLeftovers(AGES)).toMatchObject({ stagingTrees: 2 });

    expect([...farm.disk.staged.keys()]).toEqual([held.staging, meanwhile]);
  });
});

describe('the logs of a job', () => {
  it('are removed when its request ended long ago, and reading one says so', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1']));
    const lease = await farm.take('one');
    await farm.builds.appendLog(lease.key, 0, Buffer.from('cc main.c\n'));
    await farm.build(lease);
    const { finishedAt } = await farm.finished(request.id);
    farm.clock.advance(89 * DAY_MS);

    expect(await farm.builds.removeLeftovers(AGES)).toMatchObject({ logs: 0 });
    expect(await textOf(farm, lease.jobId)).toBe('cc main.c\n');
    farm.clock.advance(DAY_MS + 1);
    const open = await farm.plan(makePlan(['a/c-1']));
    const unfinished = await farm.take('one');
    await farm.builds.appendLog(unfinished.key, 0, Buffer.from('open\n'));
    expect(await farm.builds.removeLeftovers(AGES)).toMatchObject({ logs: 1 });
    expect(await farm.builds.removeLeftovers(AGES)).toMatchObject({ logs: 0 });

    const text = await textOf(farm, lease.jobId);
    expect(text).toMatch(/^\*\*\* rookery: this log has been removed, .*log-days.*\n$/);
    expect(await textOf(farm, lease.jobId, 4)).toBe(text.slice(4));
    expect(await textOf(farm, lease.jobId, text.length)).toBe('');
    expect(existsSync(join(farm.folder, 'logs', lease.jobId))).toBe(false);
    expect((await farm.request(request.id)).finishedAt).toBe(finishedAt);
    expect(await farm.states(request.id)).toEqual({ 'a/b-1': 'succeeded' });
    expect(await farm.states(open.id)).toEqual({ 'a/c-1': 'leased' });
    const kept = await farm.builds.readLog(unfinished.jobId, { offset: 0, maxBytes: 100 });
    expect(kept.bytes.toString()).toBe('open\n');
  });

  it('that were half removed when the process was killed go the next time', async () => {
    const farm = await newFarm();
    await farm.agent('one');
    const request = await farm.plan(makePlan(['a/b-1']));
    const lease = await farm.take('one');
    await farm.builds.appendLog(lease.key, 0, Buffer.from('cc main.c\n'));
    await farm.build(lease);
    await farm.finished(request.id);
    farm.clock.advance(91 * DAY_MS);
    await farm.builds.removeLeftovers(AGES);
    await mkdir(join(farm.folder, 'logs', lease.jobId));
    await writeFile(join(farm.folder, 'logs', lease.jobId, '1.log'), 'cc main.c\n');

    expect(await farm.builds.removeLeftovers(AGES)).toMatchObject({ logs: 1 });
    expect(await readdir(join(farm.folder, 'logs'))).toEqual([`${lease.jobId}.removed`]);
  });
});
