import { mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { namesIn, replaceSymlink } from '../../src/support/files.ts';
import { newId } from '../../src/support/ids.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { copyTestDatabase, loseTestDatabase } from '../support/test-database.ts';
import { inspectTree } from './inspect-tree.ts';
import { makePackage } from './make-package.ts';
import { DEED, type Installation, openInstallation, push } from './open-installation.ts';

const folder = temporaryFolder();
const made = join(folder, 'made');
const onTesting = { ...DEED, profile: 'web', channel: 'testing' };
const clock = new ManualClock();
let own: string;
let installation: Installation;

beforeAll(async () => {
  await mkdir(made);
});

beforeEach(async () => {
  own = join(folder, newId('installation'));
  installation = await openInstallation(own, clock);
  await push(installation.repository, await makePackage(made, 'app-misc/a-1'));
  await installation.repository.publish(onTesting);
  await push(installation.repository, await makePackage(made, 'app-misc/a-2'));
  await installation.repository.publish(onTesting);
});

afterEach(async () => {
  await installation.close();
});

function binhost(...names: readonly string[]): string {
  return join(installation.folders.mirrorRoot, 'binhost', 'web', ...names);
}

function state(...names: readonly string[]): string {
  return join(installation.folders.state, ...names);
}

describe('recovery', () => {
  it('changes nothing where nothing is unfinished', async () => {
    const before = (await readdir(own, { recursive: true })).toSorted();
    await installation.restarted().recover();
    expect((await readdir(own, { recursive: true })).toSorted()).toEqual(before);
    expect(await inspectTree(installation)).toEqual([]);
  });

  it('works where nothing was ever done', async () => {
    const empty = await openInstallation(join(folder, newId('installation')), clock);
    await empty.repository.recover();
    expect(await inspectTree(empty)).toEqual([]);
    await empty.close();
  });

  it('finishes a switch that was committed', async () => {
    await replaceSymlink('.publications/testing-1', binhost('testing'));
    await installation.restarted().recover();
    expect(await readlink(binhost('testing'))).toBe('.publications/testing-2');

    await rm(binhost('testing'));
    await installation.restarted().recover();
    expect(await readlink(binhost('testing'))).toBe('.publications/testing-2');
  });

  it('removes half uploads, unfinished packages, trees and links', async () => {
    await mkdir(state('uploads'), { recursive: true });
    await writeFile(state('uploads', 'upload-x.part'), 'half');
    await writeFile(state('pool', 'unfinished', 'package-x.part'), 'half');
    await mkdir(state('staging', '.tmp-staging-x'), { recursive: true });
    await mkdir(binhost('.publications', '.tmp-publication-x'));
    await writeFile(binhost('.publications', '.tmp-publication-x', 'Packages'), 'half');
    await symlink('.publications/testing-9', binhost(`.testing.${newId('tmp')}`));

    await installation.restarted().recover();

    expect(await inspectTree(installation)).toEqual([]);
    expect(await namesIn(binhost())).toEqual(['.publications', 'packages', 'testing']);
  });

  it('leaves the work of this process alone', async () => {
    const file = await makePackage(made, 'app-misc/b-1');
    const work = push(installation.repository, file);
    const end = new AbortController();
    const recovering = (async () => {
      while (!end.signal.aborted) {
        await installation.repository.recover();
      }
    })();
    expect(await work).toMatchObject({ created: true });
    const publication = await installation.repository.publish(onTesting);
    end.abort();
    await recovering;
    expect(publication.packageCount).toBe(2);
    expect(await inspectTree(installation)).toEqual([]);
  });

  it('keeps every file when the database is new, and goes on where the disk is', async () => {
    const files = (await readdir(binhost(), { recursive: true })).toSorted();
    const pool = (await readdir(state('pool'), { recursive: true })).toSorted();
    const { timestampSeconds } =
      (await installation.repository.currentPublication('web', 'testing')) ?? {};
    await installation.close();
    await loseTestDatabase(state('rookery.sqlite'));
    installation = await openInstallation(own, clock);

    await installation.repository.recover();

    expect((await readdir(binhost(), { recursive: true })).toSorted()).toEqual(files);
    expect((await readdir(state('pool'), { recursive: true })).toSorted()).toEqual(pool);
    await push(installation.repository, await makePackage(made, 'app-misc/a-1'));
    const publication = await installation.repository.publish(onTesting);
    expect(publication.serial).toBe(3);
    expect(publication.timestampSeconds).toBeGreaterThanOrEqual((timestampSeconds ?? 0) + 6);
    expect(await readFile(binhost('testing', 'Packages'), 'utf8')).toContain(
      'PATH: app-misc/a/a-1-2.gpkg.tar\n',
    );
  });

  it('does not take a channel back when the database is an older copy', async () => {
    await installation.close();
    const putBack = await copyTestDatabase(state('rookery.sqlite'));
    installation = await openInstallation(own, clock);
    await installation.repository.publish(onTesting);
    await installation.close();
    await putBack();
    installation = await openInstallation(own, clock);
    expect(await installation.repository.currentPublication('web', 'testing')).toMatchObject({
      serial: 2,
    });

    await installation.repository.recover();

    expect(await readlink(binhost('testing'))).toBe('.publications/testing-3');
    expect(await installation.repository.publish(onTesting)).toMatchObject({ serial: 4 });
    expect(await readlink(binhost('testing'))).toBe('.publications/testing-4');
  });

  it('keeps what an intent names once a row refers to it', async () => {
    const { package: record } = await push(
      installation.repository,
      await makePackage(made, 'app-misc/c-1'),
    );
    const { profile, path, sha512 } = record;
    const intents = [
      { kind: 'package', profile, path, sha512 },
      { kind: 'publication', profile, channel: 'testing', serial: 2 },
    ];
    for (const [position, intent] of intents.entries()) {
      await writeFile(state('intents', `left-${position}.json`), JSON.stringify(intent));
    }

    await installation.restarted().recover();

    expect(await inspectTree(installation)).toEqual([]);
    expect(await installation.repository.findPackage(record.id)).toEqual(record);
  });

  it('passes over files that are not ours', async () => {
    await writeFile(join(installation.folders.mirrorRoot, 'binhost', 'README'), 'hello');
    await writeFile(binhost('notes.txt'), 'hello');
    await installation.restarted().recover();
    expect(await readFile(binhost('notes.txt'), 'utf8')).toBe('hello');
    await rm(join(installation.folders.mirrorRoot, 'binhost', 'README'));
  });
});
