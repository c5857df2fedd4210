import {
  copyFile,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import { systemClock } from '../../src/support/clock.ts';
import { exists, namesIn } from '../../src/support/files.ts';
import { newId } from '../../src/support/ids.ts';
import {
  check,
  closeAfterEach,
  copyOf,
  DAY_MS,
  DEEP,
  eventsOf,
  folder,
  install,
  open,
  opened,
  poolFile,
  SHALLOW,
  shown,
  shownFile,
  spoil,
  withPackages,
} from './checked-installation.ts';
import { inspectTree } from './inspect-tree.ts';
import { makePackage } from './make-package.ts';
import { DEED, openInstallation, push } from './open-installation.ts';

closeAfterEach();
const OTHER_FILE_SYSTEM = '/dev/shm';
const isElsewhere =
  (await exists(OTHER_FILE_SYSTEM)) &&
  (await lstat(OTHER_FILE_SYSTEM)).dev !== (await lstat(folder)).dev;
const acrossFileSystems = isElsewhere
  ? ''
  : ' (skipped: /dev/shm is no file system of its own here)';

describe('a repository in which everything is as it should be', () => {
  it('is found so, and its bytes are not read again before they are due', async () => {
    const installation = await withPackages('app-misc/one-1', 'app-misc/two-1');
    expect(await check(installation, SHALLOW)).toEqual({
      packages: 2,
      publications: 1,
      filesRead: 0,
      bytesRead: 0,
      counts: {},
      findings: [],
    });
    const bytes = installation.made.reduce((sum, { size }) => sum + size, 0);
    expect(await check(installation, DEEP)).toMatchObject({ filesRead: 2, bytesRead: bytes });
    expect(await check(installation, DEEP)).toMatchObject({ filesRead: 0 });
    expect(await check(installation, { ...DEEP, all: true })).toMatchObject({ filesRead: 2 });
    expect(await check(installation, { ...DEEP, maxAgeMs: -DAY_MS })).toMatchObject({
      filesRead: 2,
      findings: [],
    });
    const events = await eventsOf(installation);
    expect(events.filter((event) => event === 'repository-checked token:admin')).toHaveLength(5);
  });
});

describe('a deep check', () => {
  it('puts a file in quarantine whose bytes have changed, and takes the same file back', async () => {
    const installation = await withPackages('app-misc/one-1', 'app-misc/two-1');
    const [one] = installation.made;
    if (one === undefined) {
      throw new Error('no package');
    }
    const good = await copyOf(shownFile(installation, one));
    await spoil(poolFile(installation, one));
    expect(shown(await check(installation, SHALLOW))).toEqual([]);

    const report = await check(installation, DEEP);

    expect(shown(report)).toEqual([`file-damaged damaged package:web/${one.path}`]);
    expect(await exists(shownFile(installation, one))).toBe(false);
    expect(await exists(poolFile(installation, one))).toBe(false);
    const quarantine = join(installation.folders.state, 'quarantine');
    const day = join(quarantine, (await namesIn(quarantine))[0] ?? '');
    expect(await namesIn(day)).toEqual([one.sha512, `${one.sha512}.json`]);
    const note = JSON.parse(await readFile(join(day, `${one.sha512}.json`), 'utf8'));
    expect(note).toMatchObject({
      sha512: one.sha512,
      reason: expect.stringMatching(/^Its SHA-512 is /),
      outcome: 'No other copy was found.',
      names: [`pool:${one.sha512}`, `package:web/${one.path}`],
      packages: [one],
    });
    expect(await installation.check.damaged('web')).toMatchObject([{ id: one.id, cpv: one.cpv }]);
    expect(await installation.check.damaged('v2')).toEqual([]);
    await expect(
      installation.repository.publish({ ...DEED, profile: 'web', channel: 'testing' }),
    ).rejects.toMatchObject({
      code: 'publication-refused',
      details: { findings: [expect.objectContaining({ kind: 'file-damaged', cpv: one.cpv })] },
    });
    expect(shown(await check(installation, SHALLOW))).toEqual([
      `file-missing damaged package:web/${one.path}`,
    ]);

    const again = await push(installation.repository, good);

    expect(again).toEqual({ package: one, created: false });
    expect(await inspectTree(installation)).toEqual([]);
    expect(await installation.check.damaged('web')).toEqual([]);
    expect(shown(await check(installation, { ...DEEP, all: true }))).toEqual([]);
    expect(await eventsOf(installation)).toEqual(
      expect.arrayContaining(['package-damaged token:admin', 'package-restored token:test']),
    );
    await installation.repository.publish({ ...DEED, profile: 'web', channel: 'testing' });
  });

  it('is finished by the next start when it was killed, which also takes back a file put back', async () => {
    const installation = await withPackages('app-misc/one-1', 'app-misc/two-1');
    const [one, two] = installation.made;
    if (one === undefined || two === undefined) {
      throw new Error('no package');
    }
    const good = await copyOf(shownFile(installation, two));
    await spoil(poolFile(installation, one));
    await spoil(poolFile(installation, two));
    await check(installation, DEEP);
    await spoil(good);
    await copyFile(good, shownFile(installation, one));
    await spoil(good);
    await copyFile(good, shownFile(installation, two));

    await installation.restarted().recover();

    expect(await exists(shownFile(installation, one))).toBe(false);
    expect(await installation.check.damaged('web')).toMatchObject([{ id: one.id }]);
    const { nlink, mtimeMs } = await lstat(shownFile(installation, two));
    expect([nlink, mtimeMs]).toEqual([2, two.mtimeSeconds * 1000]);
  });

  it('makes the original upload of a damaged package its next build', async () => {
    const installation = await install();
    const upload = await makePackage(folder, 'app-misc/again-1');
    const kept = await copyOf(upload);
    const { package: first } = await push(installation.repository, upload, { inputs: 'in' });
    await spoil(poolFile(installation, first));
    await check(installation, DEEP);
    expect(
      await installation.repository.findPackageByUpload('web', first.uploadSha512),
    ).toBeUndefined();
    expect(await installation.repository.findPackageByInputs('web', 'in')).toBeUndefined();

    const second = await push(installation.repository, kept);

    expect(second).toMatchObject({ created: true, package: { buildId: 2, cpv: first.cpv } });
    expect(await push(installation.repository, await copyOf(kept))).toEqual({
      package: second.package,
      created: false,
    });
    expect(await installation.check.damaged('web')).toMatchObject([{ id: first.id }]);
  });

  it('restores a damaged name from another that is whole, and one that waits in the drop folder', async () => {
    const installation = await withPackages('app-misc/one-1', 'app-misc/two-1', 'app-misc/three-1');
    const [one, two, three] = installation.made;
    if (one === undefined || two === undefined || three === undefined) {
      throw new Error('no package');
    }
    const copy = await copyOf(shownFile(installation, one));
    await rename(copy, shownFile(installation, one));
    await utimes(shownFile(installation, one), one.mtimeSeconds, one.mtimeSeconds);
    await spoil(poolFile(installation, one));
    const incoming = join(installation.folders.mirrorRoot, 'incoming', 'web', 'deep');
    await mkdir(incoming, { recursive: true });
    await rename(await copyOf(shownFile(installation, two)), join(incoming, 'found.gpkg.tar'));
    await spoil(poolFile(installation, two));
    await rm(shownFile(installation, three));

    const report = await check(installation, DEEP);

    expect(shown(report).toSorted()).toEqual(
      [
        `file-damaged restored pool:${one.sha512}`,
        `file-damaged restored pool:${two.sha512}`,
        `file-damaged restored package:web/${two.path}`,
        `file-missing restored package:web/${three.path}`,
      ].toSorted(),
    );
    expect(report.findings.map(({ message }) => message).join(' ')).toContain(
      'Restored from incoming/web/deep/found.gpkg.tar.',
    );
    expect(await inspectTree(installation)).toEqual([]);
    expect(shown(await check(installation, { ...DEEP, all: true }))).toEqual([]);
  });

  it('restores a file from the tree of another profile, where that is no link to it', async () => {
    const installation = await withPackages('app-misc/one-1');
    const [one] = installation.made;
    if (one === undefined) {
      throw new Error('no package');
    }
    const signed = await copyOf(shownFile(installation, one));
    const { package: other } = await push(installation.repository, signed, { profile: 'v2' });
    const otherFile = shownFile(installation, other);
    await rename(await copyOf(otherFile), otherFile);
    await utimes(otherFile, one.mtimeSeconds, one.mtimeSeconds);
    await spoil(poolFile(installation, one));

    const report = await check(installation, DEEP);

    expect(shown(report).toSorted()).toEqual([
      `file-damaged restored package:web/${one.path}`,
      `file-damaged restored pool:${one.sha512}`,
    ]);
    expect(report.findings[0]?.message).toContain(`Restored from binhost/v2/packages/${one.path}.`);
    expect(await inspectTree(installation)).toEqual([]);
  });

  it(`does all this across file systems${acrossFileSystems}`, async () => {
    if (!isElsewhere) {
      return;
    }
    const own = join(folder, newId('across'));
    const elsewhere = await mkdtemp(join(OTHER_FILE_SYSTEM, 'rookery-check-'));
    try {
      await mkdir(own);
      await symlink(elsewhere, join(own, 'mirror-root'));
      const installation = await open(own);
      const made: PackageRecord[] = [];
      for (const cpv of ['app-misc/one-1', 'app-misc/two-1', 'app-misc/three-1']) {
        made.push((await push(installation.repository, await makePackage(folder, cpv))).package);
      }
      const [one, two, three] = made;
      if (one === undefined || two === undefined || three === undefined) {
        throw new Error('no package');
      }
      expect(shown(await check(installation, DEEP))).toEqual([]);
      await spoil(shownFile(installation, one));
      await spoil(poolFile(installation, two));
      await spoil(poolFile(installation, three));
      await spoil(shownFile(installation, three));

      const report = await check(installation, { ...DEEP, all: true });

      expect(shown(report).toSorted()).toEqual(
        [
          `file-damaged damaged package:web/${three.path}`,
          `file-damaged restored package:web/${one.path}`,
          `file-damaged restored pool:${two.sha512}`,
        ].toSorted(),
      );
      const [day = ''] = await namesIn(join(installation.folders.state, 'quarantine'));
      const kept = await namesIn(join(installation.folders.state, 'quarantine', day));
      expect(kept.filter((name) => name.startsWith(three.sha512))).toEqual([
        three.sha512,
        `${three.sha512}.2`,
        `${three.sha512}.json`,
      ]);
      expect(await exists(shownFile(installation, three))).toBe(false);
      expect(shown(await check(installation, { ...DEEP, all: true }))).toEqual([
        `file-missing damaged package:web/${three.path}`,
      ]);
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  it('names a file whose bytes are right and whose key nodes do not have', async () => {
    const installation = await withPackages('app-misc/one-1');
    const other = await openInstallation(join(folder, newId('other')), systemClock);
    opened.push(other);
    await writeFile(join(installation.folders.mirrorRoot, 'keys', 'rookery.asc'), other.publicKey);

    const report = await check(installation, DEEP);

    expect(shown(report)).toEqual([
      `signature-refused reported pool:${installation.made[0]?.sha512}`,
    ]);
    expect(report.findings[0]?.message).toContain('[gpkg-');
    expect(await inspectTree(installation)).toEqual([]);
  });

  it('goes on where it was after it was cancelled, and after a restart', async () => {
    const installation = await withPackages('app-misc/one-1', 'app-misc/two-1', 'app-misc/three-1');
    const seen = new Set<number>();
    const unlisten = installation.check.listen(() => {
      const progress = installation.check.state()?.progress;
      if (progress?.stage === 'bytes') {
        seen.add(progress.done);
        void installation.check.cancel('token:admin').catch(() => undefined);
      }
    });
    await installation.check.begin(DEEP, 'token:admin');
    await installation.check.stop();
    unlisten();
    expect(installation.check.state()).toMatchObject({ state: 'cancelled', report: null });
    await installation.database
      .insertInto('file_checks')
      .values({
        sha512: installation.made[0]?.sha512 ?? '',
        checked_at: systemClock.now(),
        state: 'good',
        reason: null,
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();

    const { filesRead } = await check(installation, DEEP);

    expect(filesRead).toBeLessThan(3);
    expect(
      await installation.database.selectFrom('file_checks').selectAll().execute(),
    ).toHaveLength(3);
    await expect(installation.check.cancel('token:admin')).rejects.toMatchObject({
      code: 'check-not-running',
    });
  });
});
