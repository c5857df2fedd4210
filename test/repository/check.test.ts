import {
  chmod,
  copyFile,
  link,
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
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { CheckOptions, CheckReport } from '../../src/repository/check/check-report.ts';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import { systemClock } from '../../src/support/clock.ts';
import { exists, namesIn } from '../../src/support/files.ts';
import { newId } from '../../src/support/ids.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { finishedCheck } from './finished-check.ts';
import { inspectTree } from './inspect-tree.ts';
import { makePackage } from './make-package.ts';
import { DEED, type Installation, openInstallation, push } from './open-installation.ts';

const folder = temporaryFolder();
const DAY_MS = 86_400_000;
const SHALLOW = { deep: false, all: false, maxAgeMs: 30 * DAY_MS };
const DEEP = { ...SHALLOW, deep: true };
const OTHER_FILE_SYSTEM = '/dev/shm';
const isElsewhere =
  (await exists(OTHER_FILE_SYSTEM)) &&
  (await lstat(OTHER_FILE_SYSTEM)).dev !== (await lstat(folder)).dev;
const acrossFileSystems = isElsewhere
  ? ''
  : ' (skipped: /dev/shm is no file system of its own here)';
const opened: Installation[] = [];

afterEach(async () => {
  for (const installation of opened.splice(0)) {
    await installation.check.stop();
    await installation.close();
  }
});

async function install(): Promise<Installation> {
  return await open(join(folder, newId('check')));
}

async function open(own: string): Promise<Installation> {
  const installation = await openInstallation(own, systemClock);
  opened.push(installation);
  const keys = join(installation.folders.mirrorRoot, 'keys');
  await mkdir(keys, { recursive: true });
  await writeFile(join(keys, 'rookery.asc'), installation.publicKey);
  return installation;
}

async function withPackages(...cpvs: string[]): Promise<Installation & { made: PackageRecord[] }> {
  const installation = await install();
  const made: PackageRecord[] = [];
  for (const cpv of cpvs) {
    made.push((await push(installation.repository, await makePackage(folder, cpv))).package);
  }
  await installation.repository.publish({ ...DEED, profile: 'web', channel: 'testing' });
  return { ...installation, made };
}

/** Runs a check to its end. */
async function check(
  installation: Pick<Installation, 'check'>,
  options: CheckOptions,
): Promise<CheckReport> {
  const state = await finishedCheck(installation.check, options);
  if (state.report === null) {
    throw new Error(`the check is ${state.state}: ${state.error}`);
  }
  return state.report;
}

function shown({ findings }: CheckReport): string[] {
  return findings.map(({ code, subject, outcome }) => `${code} ${outcome} ${subject}`);
}

function shownFile({ folders }: Installation, { profile, path }: PackageRecord): string {
  return join(folders.mirrorRoot, 'binhost', profile, 'packages', path);
}

function poolFile({ folders }: Installation, { sha512 }: PackageRecord): string {
  return join(folders.state, 'pool', sha512.slice(0, 2), sha512);
}

/** Changes bytes in place, behind all links, and keeps size and time. */
async function spoil(file: string): Promise<void> {
  const { mtime } = await lstat(file);
  const bytes = await readFile(file);
  bytes[2000] = (bytes[2000] ?? 0) ^ 0xff;
  await chmod(file, 0o644);
  await writeFile(file, bytes, { flag: 'r+' });
  await utimes(file, mtime, mtime);
}

/** A copy of a file that is no link to it. */
async function copyOf(file: string): Promise<string> {
  const copy = join(folder, `${newId('copy')}.gpkg.tar`);
  await copyFile(file, copy);
  return copy;
}

async function eventsOf({ journal }: Installation): Promise<string[]> {
  return (await journal.latest(100)).map(({ kind, actor }) => `${kind} ${actor}`).toReversed();
}

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
    ).rejects.toMatchObject({ code: 'index-invalid' });
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

describe('any check', () => {
  it('puts right what a copy without links and times has made of a tree', async () => {
    const installation = await withPackages('app-misc/one-1', 'app-misc/two-1', 'app-misc/three-1');
    const [one, two, three] = installation.made;
    if (one === undefined || two === undefined || three === undefined) {
      throw new Error('no package');
    }
    for (const { path } of [one, three].map((made) => ({ path: shownFile(installation, made) }))) {
      await rename(await copyOf(path), path);
    }
    await utimes(shownFile(installation, three), three.mtimeSeconds, three.mtimeSeconds);
    await utimes(shownFile(installation, two), 5, 5);

    const report = await check(installation, SHALLOW);

    expect(shown(report).toSorted()).toEqual([
      `file-not-linked repaired package:web/${three.path}`,
      `file-time repaired package:web/${one.path}`,
      `file-time repaired package:web/${two.path}`,
      `file-time repaired pool:${two.sha512}`,
    ]);
    expect(await inspectTree(installation)).toEqual([]);
  });

  it('reports files that nobody refers to, broken publications and channels, and leaves them', async () => {
    const installation = await withPackages('app-misc/one-1');
    await installation.repository.publish({ ...DEED, profile: 'web', channel: 'testing' });
    await installation.repository.publish({ ...DEED, profile: 'web', channel: 'testing' });
    const [one] = installation.made;
    if (one === undefined) {
      throw new Error('no package');
    }
    const binhost = join(installation.folders.mirrorRoot, 'binhost', 'web');
    const stray = join(binhost, 'packages', 'app-misc', 'one', 'one-1-9.gpkg.tar');
    await link(shownFile(installation, one), stray);
    const pooled = join(installation.folders.state, 'pool', 'ab', 'abc');
    await mkdir(join(pooled, '..'), { recursive: true });
    await writeFile(pooled, 'what is this');
    await mkdir(join(binhost, '.publications', 'testing-77'));
    await rm(join(binhost, '.publications', 'testing-1'), { recursive: true });
    const index = join(binhost, '.publications', 'testing-2', 'Packages');
    const text = (await readFile(index, 'utf8')).replace('PATH', 'PAHT');
    const { mtime } = await lstat(index);
    for (const [name, bytes] of [
      ['', text],
      ['.gz', gzipSync(text)],
    ] as const) {
      await writeFile(index + name, bytes);
      await utimes(index + name, mtime, mtime);
    }
    await rm(join(binhost, '.publications', 'testing-3', 'app-misc'));
    await rm(join(binhost, 'testing'));

    const report = await check(installation, SHALLOW);

    expect(shown(report)).toEqual([
      'publication-missing reported publication:web/testing-1',
      'publication-damaged reported publication:web/testing-2',
      'publication-damaged reported publication:web/testing-3',
      'channel-misplaced reported channel:web/testing',
      'file-unknown reported pool:abc',
      'file-unknown reported package:web/app-misc/one/one-1-9.gpkg.tar',
      'file-unknown reported publication:web/testing-77',
    ]);
    expect(report.findings[1]?.message).toBe('Its index has other entries than its packages.');
    expect(report.counts).toMatchObject({ 'file-unknown': 3, 'publication-damaged': 2 });
    expect([await exists(stray), await exists(pooled)]).toEqual([true, true]);
  });

  it('runs one at a time', async () => {
    const installation = await withPackages('app-misc/one-1');
    await installation.check.begin(DEEP, 'token:admin');
    await expect(installation.check.begin(SHALLOW, 'token:admin')).rejects.toMatchObject({
      code: 'check-running',
    });
  });
});
