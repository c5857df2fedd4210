import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import type { CollectionProgress } from '../../../src/repository/retention/retention.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { finishedCheck } from '../finished-check.ts';
import { makePackage } from '../make-package.ts';
import {
  DEED,
  type Installation,
  keeping,
  keepingLittle,
  openInstallation,
  push,
} from '../open-installation.ts';

const DAY = 86_400_000;
const folder = temporaryFolder();
const onTesting = { ...DEED, profile: 'web', channel: 'testing' };

async function open(name: string, clock: ManualClock): Promise<Installation> {
  await mkdir(join(folder, name));
  return await openInstallation(join(folder, name), clock, keeping(keepingLittle(DAY)));
}

async function publishVersions({ repository }: Installation, count: number): Promise<string[]> {
  const digests: string[] = [];
  for (let version = 1; version <= count; version += 1) {
    const file = await makePackage(folder, `app-misc/versions-${version}`);
    digests.push((await push(repository, file)).package.sha512);
    await repository.publish(onTesting);
  }
  return digests;
}

async function checkedFiles({ database }: Installation): Promise<string[]> {
  const rows = await database.selectFrom('file_checks').select('sha512').execute();
  return rows.map(({ sha512 }) => sha512).toSorted();
}

it('forgets what a check found of files that it removes, and of no others', async () => {
  const clock = new ManualClock();
  const installation = await open('checks', clock);
  try {
    const { repository, folders } = installation;
    const digests = await publishVersions(installation, 4);
    const [first = ''] = digests;
    const shared = (
      await repository.searchPackages({ profile: 'web', limit: 9, offset: 0 })
    ).packages.find(({ sha512 }) => sha512 === first);
    const packages = join(folders.mirrorRoot, 'binhost', 'web', 'packages');
    await push(repository, join(packages, shared?.path ?? ''), { profile: 'v2' });
    await mkdir(join(folders.mirrorRoot, 'keys'));
    await writeFile(join(folders.mirrorRoot, 'keys', 'rookery.asc'), installation.publicKey);
    await finishedCheck(installation.check, { deep: true, all: true, maxAgeMs: 0 });
    expect(await checkedFiles(installation)).toEqual(digests.toSorted());
    clock.advance(40 * DAY);
    const { rows } = await repository.retention.collect({
      profile: 'web',
      dryRun: false,
      actor: 'token:ops',
    });
    // v2 has the first of them too; the last one is shown, and the one before is what a rollback goes back to.
    expect(await checkedFiles(installation)).toEqual(
      [first, digests[2], digests[3]].map(String).toSorted(),
    );
    expect(rows).toMatchObject({ packages: 2, file_checks: 1 });
  } finally {
    await installation.close();
  }
});

it('tells how far it is, from the first look to the end', async () => {
  const clock = new ManualClock();
  const installation = await open('progress', clock);
  try {
    await publishVersions(installation, 5);
    clock.advance(40 * DAY);
    const { retention } = installation.repository;
    const told: (CollectionProgress | undefined)[] = [];
    const unlisten = retention.listen(() => {
      told.push(retention.progress());
    });
    await retention.collect({ profile: 'web', dryRun: true, actor: 'token:ops' });
    expect(new Set(told.map((one) => one?.stage))).toEqual(new Set(['looking', undefined]));
    expect(told.at(-1)).toBeUndefined();
    told.length = 0;
    await retention.collect({ profile: 'web', dryRun: false, actor: 'token:ops' });
    expect(told[0]).toEqual({ profile: 'web', stage: 'looking', done: 0, total: 5 });
    expect(told.at(-2)).toEqual({ profile: 'web', stage: 'removing', done: 6, total: 6 });
    expect(told.at(-1)).toBeUndefined();
    unlisten();
    const before = told.length;
    await retention.collect({ profile: 'web', dryRun: true, actor: 'token:ops' });
    expect(told).toHaveLength(before);
  } finally {
    await installation.close();
  }
});

it('is begun in the background, one at a time', async () => {
  const clock = new ManualClock();
  const installation = await open('background', clock);
  try {
    await publishVersions(installation, 4);
    clock.advance(40 * DAY);
    const { collection } = installation;
    const request = { profile: 'web', dryRun: false, actor: 'token:ops' };
    const begun = collection.begin(request);
    expect(collection.state()).toMatchObject({
      state: 'running',
      id: begun.id,
      actor: 'token:ops',
    });
    expect(() => collection.begin(request)).toThrow('A collection is under way already.');
    await collection.start();
    expect(collection.state()).toMatchObject({ state: 'done', id: begun.id, error: null });
    const [gone] = collection.state()?.collection?.profiles ?? [];
    expect(gone?.packages).toHaveLength(2);
  } finally {
    await installation.close();
  }
});

it('ends between two steps when the server is stopped, and the next one removes the rest', async () => {
  const clock = new ManualClock();
  const installation = await open('stopped', clock);
  try {
    await publishVersions(installation, 4);
    clock.advance(40 * DAY);
    const { collection, repository } = installation;
    const request = { profile: 'web', dryRun: false, actor: 'token:ops' };
    const unlisten = repository.retention.listen(() => {
      if (repository.retention.progress()?.stage === 'removing') {
        void collection.stop();
      }
    });
    collection.begin(request);
    await collection.start();
    unlisten();
    expect(collection.state()).toMatchObject({
      state: 'failed',
      collection: null,
      error: 'The server is being stopped.',
    });
    const [left] = (await repository.retention.collect(request)).profiles;
    expect(left?.packages).toHaveLength(2);
  } finally {
    await installation.close();
  }
});
