import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { digestOf } from '../../src/support/digests.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { makeRecipe, sourceProfile } from './farm.ts';
import { farmMaker } from './farm-maker.ts';

const newFarm = farmMaker();
const folder = temporaryFolder();

function sourceFolder(text: string): string {
  const path = mkdtempSync(join(folder, 'source-'));
  writeFileSync(join(path, 'main.c'), text);
  return path;
}

function profileWith(source: string): ReturnType<typeof sourceProfile> {
  return sourceProfile([
    makeRecipe('a/top-1', { source: { folder: source }, depend: ['a/lib'], rdepend: ['a/data'] }),
    makeRecipe('a/lib-2'),
    makeRecipe('a/data-3'),
  ]);
}

const ASK = { profile: 'php', atoms: ['a/top'], author: 'token:test' };

describe('a request for the executor source', () => {
  it('is planned at once, and its source handed to the agent', async () => {
    const farm = await newFarm([profileWith(sourceFolder('int main;'))]);
    const request = await farm.builds.createRequest({ ...ASK, publish: 'testing' });
    expect(request).toMatchObject({ state: 'building', finishedAt: null });
    expect(Object.values(await farm.states(request.id)).toSorted()).toEqual([
      'ready',
      'ready',
      'waiting',
    ]);

    await farm.agent('one', ['source']);
    const first = await farm.take('one');
    await expect(farm.builds.openSource(first.key)).rejects.toMatchObject({
      code: 'unknown-source',
    });
    await farm.build(first);
    await farm.build(await farm.take('one'));
    const top = await farm.take('one');
    expect(top.work).toMatchObject({ kind: 'source-package', recipe: { cpv: 'a/top-1' } });
    expect(farm.disk.staged.get(top.staging)).toHaveLength(2);
    const { stream, size } = await farm.builds.openSource(top.key);
    const bytes = Buffer.concat(await stream.toArray());
    expect(bytes.length).toBe(size);
    expect(top.work).toMatchObject({ sourceSha512: digestOf('sha512', bytes) });
    await farm.build(top);

    expect((await farm.finished(request.id)).state).toBe('done');
    const built = await farm.builds.packagesOf(request.id);
    expect(built.every((one) => one.package.inputs?.length === 64)).toBe(true);
    expect(farm.disk.publications).toHaveLength(1);
  });

  it('is done at once when everything is there, unless the named packages are to be built again', async () => {
    const farm = await newFarm([profileWith(sourceFolder('int main;'))]);
    await farm.agent('one');
    const first = await farm.builds.createRequest(ASK);
    for (let job = 0; job < 3; job += 1) {
      await farm.build(await farm.take('one'));
    }
    await farm.finished(first.id);

    const second = await farm.builds.createRequest({ ...ASK, publish: 'testing' });
    expect((await farm.finished(second.id)).state).toBe('done');
    expect(await farm.states(second.id)).toEqual({});
    const reused = await farm.builds.packagesOf(second.id);
    expect(reused.map((one) => `${one.package.cpv} ${one.how}`)).toEqual([
      'a/data-3 reused',
      'a/top-1 reused',
    ]);
    expect(farm.disk.publishedIds.get(second.id)).toHaveLength(2);

    const third = await farm.builds.createRequest({ ...ASK, rebuild: true });
    expect(await farm.states(third.id)).toEqual({ 'a/top-1': 'ready' });
    await farm.build(await farm.take('one'));
    expect((await farm.finished(third.id)).state).toBe('done');
    const builds = await farm.repository.packagesByCpv('php', 'a/top-1');
    expect(builds.map(({ buildId }) => buildId)).toEqual([2, 1]);
  });

  it('builds again what has other sources now, and only that', async () => {
    const source = sourceFolder('int main;');
    const farm = await newFarm([profileWith(source)]);
    await farm.agent('one');
    await farm.builds.createRequest(ASK);
    for (let job = 0; job < 3; job += 1) {
      await farm.build(await farm.take('one'));
    }
    writeFileSync(join(source, 'main.c'), 'int other;');
    const request = await farm.builds.createRequest(ASK);
    expect(await farm.states(request.id)).toEqual({ 'a/top-1': 'ready' });
  });

  it('is refused, and nothing kept of it, when its source is not there', async () => {
    const source = sourceFolder('');
    await rm(source, { recursive: true });
    const farm = await newFarm([profileWith(source)]);
    await expect(farm.builds.createRequest(ASK)).rejects.toMatchObject({ code: 'source-missing' });
    await expect(farm.builds.createRequest({ ...ASK, atoms: ['@world'] })).rejects.toMatchObject({
      code: 'unknown-set',
    });
    expect(await farm.builds.listRequests({ limit: 1 })).toEqual([]);
  });
});

describe('the log of a job', () => {
  it('is read while it grows, and is complete when the attempt has ended', async () => {
    const farm = await newFarm([profileWith(sourceFolder(''))]);
    await farm.agent('one');
    const request = await farm.builds.createRequest({ ...ASK, atoms: ['a/lib'] });
    const { key } = await farm.take('one');
    const read = async (offset = 0): Promise<unknown> => {
      const { bytes, ...rest } = await farm.builds.readLog(key.jobId, { offset, maxBytes: 100 });
      return { text: bytes.toString(), ...rest };
    };
    expect(await read()).toEqual({ text: '', size: 0, attempt: 1, isComplete: false });
    let calls = 0;
    const leave = farm.builds.followLog(key.jobId, () => {
      calls += 1;
    });
    await farm.builds.appendLog(key, 0, Buffer.from('cc main.c\n'));
    expect(calls).toBe(1);
    expect(await read(3)).toEqual({ text: 'main.c\n', size: 10, attempt: 1, isComplete: false });
    await farm.fail(key);
    expect(calls).toBe(2);
    leave();
    expect(await read()).toEqual({ text: 'cc main.c\n', size: 10, attempt: 1, isComplete: true });
    expect((await farm.finished(request.id)).state).toBe('failed');
    expect(await farm.builds.readLog('job-none', { offset: 0, maxBytes: 1 })).toMatchObject({
      attempt: 0,
      isComplete: true,
    });
  });

  it('keeps its packed source while it is unfinished, and gives it up afterwards', async () => {
    const farm = await newFarm([profileWith(sourceFolder('int kept;'))]);
    const request = await farm.builds.createRequest(ASK);
    // The files have real times, the farm a clock of its own: to it they are as old as its clock is ahead.
    const hour = 3_600_000;
    const old = (): number => farm.clock.now() - Date.now() - hour;
    farm.clock.advance(Math.max(0, Date.now() - farm.clock.now()) + 2 * hour);
    const removeSources = async (sourcesMs: number): Promise<number> =>
      (await farm.builds.removeLeftovers({ sourcesMs, logsMs: hour })).sources;

    expect(await removeSources(old() + 10 * hour)).toBe(0);
    expect(await removeSources(old())).toBe(0);

    await farm.builds.cancelRequest(request.id, 'token:test');
    expect(await removeSources(old())).toBe(1);
    expect(await removeSources(old())).toBe(0);
  });

  it('takes no PHP tree for a package', async () => {
    const farm = await newFarm([profileWith(sourceFolder('int main;'))]);
    await farm.builds.createRequest(ASK);
    await farm.agent('one', ['source']);
    const { key } = await farm.take('one');
    const upload = { stream: Readable.from([]), sha512: '' };

    await expect(farm.builds.acceptTree(key, upload)).rejects.toMatchObject({
      code: 'job-takes-no-tree',
    });
  });
});
