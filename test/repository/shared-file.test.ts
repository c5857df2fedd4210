import { copyFile, lstat, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from '@jest/globals';
import { createLayout } from '../../src/repository/layout.ts';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import { Pool } from '../../src/repository/pool.ts';
import { rebuildRepository } from '../../src/repository/rebuild/rebuild-repository.ts';
import { openTrustedKeys } from '../../src/repository/trusted-keys.ts';
import { systemClock } from '../../src/support/clock.ts';
import { newId } from '../../src/support/ids.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { openTestDatabase } from '../support/test-database.ts';
import { makePackage } from './make-package.ts';
import { DEED, type Installation, openInstallation, push } from './open-installation.ts';

const folder = temporaryFolder();
const opened: Installation[] = [];
afterEach(async () => {
  for (const installation of opened.splice(0)) {
    await installation.close();
  }
});

async function install(): Promise<Installation> {
  const installation = await openInstallation(join(folder, newId('shared')), systemClock);
  opened.push(installation);
  const keys = join(installation.folders.mirrorRoot, 'keys');
  await mkdir(keys, { recursive: true });
  await writeFile(join(keys, 'rookery.asc'), installation.publicKey);
  return installation;
}

function fileOf({ folders }: Installation, { profile, path }: PackageRecord): string {
  return join(folders.mirrorRoot, 'binhost', profile, 'packages', path);
}

async function copyOf(installation: Installation, record: PackageRecord): Promise<string> {
  const copy = join(folder, `${newId('signed')}.gpkg.tar`);
  await copyFile(fileOf(installation, record), copy);
  return copy;
}

it('stores the signed file of one profile once when another gets it', async () => {
  const installation = await install();
  const { repository } = installation;
  const { package: first } = await push(repository, await makePackage(folder, 'app-misc/one-1'));
  const signed = await copyOf(installation, first);

  const second = await push(repository, signed, { profile: 'v2' });

  expect(second.created).toBe(true);
  expect(second.package).toEqual({
    ...first,
    id: second.package.id,
    profile: 'v2',
    origin: 'profile:web',
    uploadSha512: first.sha512,
  });
  expect(second.package.id).not.toBe(first.id);
  const [one, two] = [fileOf(installation, first), fileOf(installation, second.package)];
  expect((await lstat(two)).ino).toBe((await lstat(one)).ino);
  expect((await lstat(two)).nlink).toBe(3);
  await repository.publish({ ...DEED, profile: 'v2', channel: 'testing' });
  expect(await push(repository, await copyOf(installation, first), { profile: 'v2' })).toEqual({
    package: second.package,
    created: false,
  });
});

it('signs anew what the profile could not number so, and what is not the signed file', async () => {
  const installation = await install();
  const { repository } = installation;
  const upload = await makePackage(folder, 'app-misc/one-1');
  const bytes = await readFile(upload);
  const { package: first } = await push(repository, upload);
  await push(repository, await makePackage(folder, 'app-misc/one-1'), { profile: 'v2' });

  const taken = await push(repository, await copyOf(installation, first), { profile: 'v2' });

  expect(taken.package).toMatchObject({ buildId: 2, profile: 'v2', origin: 'push:test' });
  expect(taken.package.sha512).not.toBe(first.sha512);
  const again = join(folder, newId('again'));
  await writeFile(again, bytes);
  const unsigned = await push(repository, again, { profile: 'old' });
  expect(unsigned.package).toMatchObject({ buildId: 1, origin: 'push:test' });
  expect(unsigned.package.sha512).not.toBe(first.sha512);
});

it('is known again, in both profiles, by a rebuild', async () => {
  const installation = await install();
  const { repository, folders } = installation;
  const { package: first } = await push(repository, await makePackage(folder, 'app-misc/one-1'));
  const signed = await copyOf(installation, first);
  const { package: second } = await push(repository, signed, { profile: 'v2' });
  const layout = createLayout(folders);
  const database = await openTestDatabase(join(folder, `${newId('new')}.sqlite`), systemClock);

  await rebuildRepository({
    database,
    layout,
    pool: new Pool(layout.pool),
    verifier: await openTrustedKeys(layout),
    onProgress: () => undefined,
  });

  const rows = await database.selectFrom('packages').selectAll().orderBy('profile').execute();
  const before = await installation.database
    .selectFrom('packages')
    .selectAll()
    .orderBy('profile')
    .execute();
  await database.destroy();
  expect(rows).toEqual(before);
  expect(rows.map(({ id }) => id).toSorted()).toEqual([first.id, second.id].toSorted());
});
