import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import { namesIn } from '../../src/support/files.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { inspectIndex } from './inspect-tree.ts';
import { makePackage } from './make-package.ts';
import { DEED, type Installation, openInstallation, push } from './open-installation.ts';

const folder = temporaryFolder();
const clock = new ManualClock();
let installation: Installation;
let a: PackageRecord;
let b: PackageRecord;

beforeAll(async () => {
  installation = await openInstallation(folder, clock);
  const made = join(folder, 'made');
  await mkdir(made);
  const { repository } = installation;
  a = (await push(repository, await makePackage(made, 'app-misc/a-1'))).package;
  b = (
    await push(
      repository,
      await makePackage(made, 'dev-libs/b-2', {
        metadata: { DESCRIPTION: 'Größer als 100 % "gut" \\ schön_er\n' },
      }),
    )
  ).package;
  await push(repository, await makePackage(made, 'dev-libs/b-2', { buildTime: 5 }));
});

afterAll(async () => {
  await installation.close();
});

function staging(...names: readonly string[]): string {
  return join(installation.folders.state, 'staging', ...names);
}

describe('a staging tree', () => {
  it('is a complete binhost of its packages', async () => {
    await installation.repository.stage('req-1-1', 'web', [b.id, a.id, b.id]);
    expect(await inspectIndex(staging('req-1-1'))).toEqual([]);
    expect(await namesIn(staging('req-1-1'))).toEqual([
      'Packages',
      'Packages.gz',
      'app-misc',
      'dev-libs',
    ]);
    expect((await stat(staging('req-1-1', a.path))).size).toBe(a.size);
    expect(await readFile(staging('req-1-1', 'Packages'), 'utf8')).toContain('\nPACKAGES: 2\n');
  });

  it('may be empty', async () => {
    await installation.repository.stage('req-1-2', 'web', []);
    expect(await inspectIndex(staging('req-1-2'))).toEqual([]);
    expect(await namesIn(staging('req-1-2'))).toEqual(['Packages', 'Packages.gz']);
  });

  it('is made once under a name, and never elsewhere', async () => {
    const { repository } = installation;
    await repository.stage('req-1-3', 'web', [a.id]);
    await expect(repository.stage('req-1-3', 'web', [b.id])).rejects.toMatchObject({
      code: 'staging-exists',
    });
    for (const name of ['', '..', '.x', 'a/b', 'a\0b', 'x'.repeat(129)]) {
      await expect(repository.stage(name, 'web', [])).rejects.toMatchObject({
        code: 'staging-name-invalid',
      });
    }
    await expect(repository.stage('req-x', 'web', ['pkg-nope'])).rejects.toMatchObject({
      code: 'unknown-package',
    });
    await expect(repository.stage('req-x', 'nope', [])).rejects.toMatchObject({
      code: 'unknown-profile',
    });
    expect((await namesIn(staging())).filter((name) => !name.startsWith('req-1-'))).toEqual([]);
  });

  it('is removed by its name, and the packages stay', async () => {
    const { repository } = installation;
    expect(await repository.staged()).toEqual(['req-1-1', 'req-1-2', 'req-1-3']);
    await repository.unstage('req-1-1');
    await repository.unstage('req-1-1');
    await repository.unstage('req-1-3');
    for (const name of ['', '.', '../pool']) {
      await expect(repository.unstage(name)).rejects.toMatchObject({
        code: 'staging-name-invalid',
      });
    }
    expect(await repository.staged()).toEqual(['req-1-2']);
    const file = join(installation.folders.mirrorRoot, 'binhost/web/packages', a.path);
    expect((await stat(file)).size).toBe(a.size);
  });
});

describe('a search', () => {
  const all = { profile: 'web', limit: 10, offset: 0 };

  it.each([
    ['', ['app-misc/a-1-1', 'dev-libs/b-2-2', 'dev-libs/b-2-1']],
    ['APP-MISC', ['app-misc/a-1-1']],
    ['description OF a', ['app-misc/a-1-1']],
    ['grÖSSer', []],
    ['grÖß', ['dev-libs/b-2-1']],
    ['100 %', ['dev-libs/b-2-1']],
    ['%', ['dev-libs/b-2-1']],
    ['N_E', ['dev-libs/b-2-1']],
    ['_', ['dev-libs/b-2-1']],
    ['"gut" \\', ['dev-libs/b-2-1']],
    ["' or 1=1 --", []],
  ])('for %j finds what it is part of', async (search, expected) => {
    const { packages, total } = await installation.repository.searchPackages({ ...all, search });
    expect(packages.map(({ cpv, buildId }) => `${cpv}-${buildId}`)).toEqual(expected);
    expect(total).toBe(expected.length);
  });

  it('gives pages and the total', async () => {
    const { repository } = installation;
    const page = await repository.searchPackages({ ...all, limit: 1, offset: 1 });
    expect(page.total).toBe(3);
    expect(page.packages).toHaveLength(1);
    expect(await repository.searchPackages({ ...all, profile: 'old' })).toEqual({
      packages: [],
      total: 0,
    });
  });

  it('within a channel sees just what it shows', async () => {
    const { repository } = installation;
    expect(await repository.searchPackages({ ...all, channel: 'testing' })).toEqual({
      packages: [],
      total: 0,
    });
    await repository.publish({ ...DEED, profile: 'web', channel: 'testing', packageIds: [b.id] });
    expect(await repository.searchPackages({ ...all, channel: 'testing' })).toEqual({
      packages: [b],
      total: 1,
    });
    expect(
      await repository.searchPackages({ ...all, channel: 'testing', search: 'app-misc' }),
    ).toEqual({ packages: [], total: 0 });
  });
});
