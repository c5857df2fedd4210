import { copyFile, lstat, mkdir, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openByteSource } from '../../src/binpkg/byte-source.ts';
import { type VerifiedPackage, verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import type { Event } from '../../src/journal/event.ts';
import { createVerifier } from '../../src/signing/verifier.ts';
import { digestFile } from '../../src/support/digests.ts';
import { namesIn } from '../../src/support/files.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { inspectTree } from './inspect-tree.ts';
import { BUILD_TIME, makePackage, type PackageChanges } from './make-package.ts';
import { type Installation, openInstallation, push } from './open-installation.ts';

const folder = temporaryFolder();
const made = join(folder, 'made');
const clock = new ManualClock();
let installation: Installation;

beforeAll(async () => {
  await mkdir(made);
  installation = await openInstallation(folder, clock);
});

afterAll(async () => {
  await installation.close();
});

async function verified(path: string): Promise<VerifiedPackage> {
  const source = await openByteSource(path);
  try {
    const verifier = await createVerifier([installation.publicKey], { clock });
    return await verifyGpkg(source, { verifier, signatures: 'required' });
  } finally {
    await source.close();
  }
}

function pathOf(path: string, profile = 'web'): string {
  return join(installation.folders.mirrorRoot, 'binhost', profile, 'packages', path);
}

describe('an imported package', () => {
  it('is signed, numbered and described, in the pool and under its immutable path', async () => {
    const { repository, database, journal } = installation;
    const heard: Event[] = [];
    const end = journal.listen((event) => heard.push(event));
    const file = await makePackage(made, 'app-misc/hello-1.0-r1', { slot: '0/3' });
    const uploadSha512 = (await digestFile(file, ['sha512'])).digests.of('sha512');

    const result = await push(repository, file, { inputs: 'inputs-digest' });
    end();

    expect(result.created).toBe(true);
    const record = result.package;
    expect(record).toMatchObject({
      profile: 'web',
      category: 'app-misc',
      pn: 'hello',
      cpv: 'app-misc/hello-1.0-r1',
      slot: '0/3',
      buildId: 1,
      path: 'app-misc/hello/hello-1.0-r1-1.gpkg.tar',
      mtimeSeconds: Math.floor(clock.now() / 1000),
      buildTimeSeconds: BUILD_TIME,
      uploadSha512,
      inputs: 'inputs-digest',
      origin: 'push:test',
      importedAt: clock.now(),
    });
    expect(record.metadata).toMatchObject({
      DESCRIPTION: 'The description of hello-1.0-r1',
      BUILD_ID: '1',
    });
    expect(Object.keys(record.metadata)).not.toContain('environment.bz2');
    const contents = await verified(pathOf(record.path));
    expect(contents.base).toBe('hello-1.0-r1-1');
    expect(contents.metadata.get('BUILD_ID')?.toString()).toBe('1');
    expect(JSON.parse(String(contents.metadata.get('ROOKERY_PROVENANCE')))).toMatchObject({
      origin: 'push:test',
      upload: uploadSha512,
      profile: 'web',
      inputs: 'inputs-digest',
      rookery: expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
    expect((await lstat(pathOf(record.path))).ino).toBe(
      (
        await lstat(
          join(installation.folders.state, 'pool', record.sha512.slice(0, 2), record.sha512),
        )
      ).ino,
    );
    expect((await lstat(pathOf(record.path))).mode & 0o777).toBe(0o644);
    expect(record.stanza).toContain(`PATH: ${record.path}\n`);
    expect(record.stanza).toContain('BUILD_ID: 1\n');
    expect(await repository.findPackage(record.id)).toEqual(record);
    expect(await repository.findPackageByUpload('web', uploadSha512)).toEqual(record);
    expect(await repository.findPackageByInputs('web', 'inputs-digest')).toEqual(record);
    expect(heard.map(({ kind, subject }) => [kind, subject])).toEqual([
      ['package-imported', `package:${record.id}`],
    ]);
    expect(await database.selectFrom('events').select('kind').execute()).toHaveLength(1);
  });

  it('is the one that was expected, or nothing happens', async () => {
    const { repository } = installation;
    const file = await makePackage(made, 'app-misc/other-name-1.0');
    const refused = { code: 'package-unexpected' };

    await expect(
      push(repository, file, { expectedCpv: 'app-misc/wanted-1.0' }),
    ).rejects.toMatchObject(refused);
    expect(await repository.packagesByCpv('web', 'app-misc/other-name-1.0')).toEqual([]);

    const { package: imported } = await push(repository, file, {
      expectedCpv: 'app-misc/other-name-1.0',
    });
    expect(imported.buildId).toBe(1);
    await expect(
      push(repository, file, { expectedCpv: 'app-misc/wanted-1.0' }),
    ).rejects.toMatchObject(refused);
  });

  it('keeps its image byte for byte', async () => {
    const file = await makePackage(made, 'app-misc/image-1', { content: Buffer.alloc(300_000, 7) });
    const before = await openByteSource(file);
    const { imageMember } = await verifyGpkg(before);
    await before.close();

    const { package: record } = await push(installation.repository, file);

    expect((await verified(pathOf(record.path))).imageMember.sha512).toBe(imageMember.sha512);
  });

  it('that was uploaded before is answered with what it became', async () => {
    const file = await makePackage(made, 'app-misc/twice-1');
    const first = await push(installation.repository, file);
    const second = await push(installation.repository, file);
    const restarted = await push(installation.restarted(), file);
    expect(second).toEqual({ package: first.package, created: false });
    expect(restarted).toEqual({ package: first.package, created: false });
  });

  it('becomes one package when it is uploaded many times at once', async () => {
    const file = await makePackage(made, 'app-misc/crowd-1');
    const results = await Promise.all(
      Array.from({ length: 8 }, async () => await push(installation.repository, file)),
    );
    expect(results.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(results.map((result) => result.package.id)).size).toBe(1);
    expect(await installation.repository.packagesByCpv('web', 'app-misc/crowd-1')).toHaveLength(1);
  });

  it('gets the next BUILD_ID of its CPV in its profile, also when many come at once', async () => {
    const files = await Promise.all(
      Array.from({ length: 6 }, async () => await makePackage(made, 'app-misc/many-2')),
    );
    const web = await Promise.all(
      files.map(async (one) => await push(installation.repository, one)),
    );
    const old = await push(installation.repository, files[0] ?? '', { profile: 'old' });
    expect(web.map((one) => one.package.buildId).toSorted((a, b) => a - b)).toEqual([
      1, 2, 3, 4, 5, 6,
    ]);
    expect(old).toMatchObject({ created: true, package: { buildId: 1, profile: 'old' } });
    const builds = await installation.repository.packagesByCpv('web', 'app-misc/many-2');
    expect(builds.map(({ buildId }) => buildId)).toEqual([6, 5, 4, 3, 2, 1]);
  });

  it('never takes a path that is on disk, even when the database has forgotten it', async () => {
    const stray = pathOf('app-misc/stray/stray-1-41.gpkg.tar', 'old');
    await mkdir(join(stray, '..'), { recursive: true });
    await writeFile(stray, 'published long ago');
    const file = await makePackage(made, 'app-misc/stray-1');

    const { package: record } = await push(installation.repository, file, { profile: 'old' });

    expect(record.path).toBe('app-misc/stray/stray-1-42.gpkg.tar');
    expect(await readFile(stray, 'utf8')).toBe('published long ago');
    await rm(stray);
  });

  it('loses signatures of others and gets ours', async () => {
    const other = await openInstallation(join(folder, 'other'), clock);
    const file = await makePackage(made, 'app-misc/foreign-1');
    const theirs = await push(other.repository, file);
    const signed = join(made, 'signed.gpkg.tar');
    await copyFile(
      join(other.folders.mirrorRoot, 'binhost/web/packages', theirs.package.path),
      signed,
    );
    await other.close();

    const { package: record } = await push(installation.repository, signed);

    const contents = await verified(pathOf(record.path));
    expect(contents.fingerprint).toBe(record.keyFingerprint);
  });
});

async function expectRefused(file: string, code: string): Promise<void> {
  const pool = await namesIn(join(installation.folders.state, 'pool'));
  await expect(push(installation.repository, file)).rejects.toMatchObject({ code });
  expect(await namesIn(join(installation.folders.state, 'uploads'))).toEqual([]);
  expect(await namesIn(join(installation.folders.state, 'pool', 'unfinished'))).toEqual([]);
  expect(await namesIn(join(installation.folders.state, 'pool'))).toEqual(pool);
}

describe('an import that is refused', () => {
  it.each<[string, string, string, PackageChanges]>([
    [
      'was built for another CHOST',
      'app-misc/bad-1',
      'package-wrong-chost',
      { metadata: { CHOST: 'aarch64-unknown-linux-gnu\n' } },
    ],
    ['has no CHOST', 'app-misc/bad-2', 'package-wrong-chost', { metadata: { CHOST: undefined } }],
    [
      'has no environment',
      'app-misc/bad-3',
      'package-invalid-metadata',
      { metadata: { 'environment.bz2': undefined } },
    ],
    [
      'has no BUILD_TIME',
      'app-misc/bad-4',
      'package-invalid-metadata',
      { metadata: { BUILD_TIME: undefined } },
    ],
    [
      'has no SLOT',
      'app-misc/bad-5',
      'package-invalid-metadata',
      { metadata: { SLOT: undefined } },
    ],
    [
      'has a BUILD_TIME that an index cannot have',
      'app-misc/bad-9',
      'package-invalid-metadata',
      { metadata: { BUILD_TIME: '01767000000\n' } },
    ],
    [
      'has a keyword that is none',
      'app-misc/bad-6',
      'package-invalid-metadata',
      { metadata: { KEYWORDS: 'amd64 a/b\n' } },
    ],
    ['has no CPV', 'app-misc/bad', 'package-invalid-cpv', {}],
    [
      'has a CPV that leads elsewhere',
      'app-misc/bad-7',
      'package-invalid-metadata',
      { metadata: { CATEGORY: '..\n' } },
    ],
    ['has a category that an index file needs', 'Packages.gz/bad-8', 'package-invalid-cpv', {}],
    [
      'has a name that is too long for a file',
      `app-misc/${'b'.repeat(230)}-1`,
      'package-invalid-cpv',
      {},
    ],
  ])('because it %s leaves nothing', async (_why, cpv, code, changes) => {
    const [category = '', pf = ''] = cpv.split('/');
    const file = await makePackage(made, 'app-misc/stand-in-1', {
      ...changes,
      metadata: { CATEGORY: `${category}\n`, PF: `${pf}\n`, ...changes.metadata },
    });
    await expectRefused(file, code);
  });

  it('because a byte of the image was changed leaves nothing, and takes no BUILD_ID', async () => {
    const file = await makePackage(made, 'app-misc/broken-1');
    const good = join(made, 'not-broken.gpkg.tar');
    await copyFile(file, good);
    const source = await openByteSource(file);
    const { imageMember } = await verifyGpkg(source);
    await source.close();
    const handle = await open(file, 'r+');
    const at = imageMember.offset + Math.floor(imageMember.size / 2);
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at);
    await handle.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, at);
    await handle.close();
    await expectRefused(file, 'gpkg-digest-mismatch');
    expect(await installation.repository.packagesByCpv('web', 'app-misc/broken-1')).toEqual([]);
    const [, imported] = await Promise.allSettled([
      push(installation.repository, file),
      push(installation.repository, good),
    ]);
    expect(imported).toMatchObject({ status: 'fulfilled', value: { package: { buildId: 1 } } });
  });

  it('because it was cut short, anywhere, leaves nothing', async () => {
    const file = await makePackage(made, 'app-misc/short-1');
    const source = await openByteSource(file);
    const { members } = await verifyGpkg(source);
    await source.close();
    const ends = members.flatMap(({ offset, size }) => [offset - 512, offset + size - 1]);
    for (const end of [...ends, 100]) {
      const cut = join(made, `cut-${end}.gpkg.tar`);
      await copyFile(file, cut);
      await truncate(cut, Math.max(0, end));
      await expect(push(installation.repository, cut)).rejects.toMatchObject({
        code: expect.stringMatching(/^gpkg-/),
      });
    }
    expect(await installation.repository.packagesByCpv('web', 'app-misc/short-1')).toEqual([]);
    expect(await namesIn(join(installation.folders.state, 'uploads'))).toEqual([]);
  });

  it('because there is no such profile removes the upload', async () => {
    const file = await makePackage(made, 'app-misc/lost-1');
    await expect(push(installation.repository, file, { profile: 'nowhere' })).rejects.toMatchObject(
      { code: 'unknown-profile' },
    );
    expect(await namesIn(join(installation.folders.state, 'uploads'))).toEqual([]);
  });

  it('does not stand in the way of the same package made right', async () => {
    const bad = await makePackage(made, 'app-misc/later-1', { metadata: { CHOST: 'other\n' } });
    await expectRefused(bad, 'package-wrong-chost');
    const good = await makePackage(made, 'app-misc/later-1');
    expect(await push(installation.repository, good)).toMatchObject({ created: true });
  });
});

describe('after all of that', () => {
  it('disk and database agree', async () => {
    expect(await inspectTree(installation)).toEqual([]);
  });
});
