import { mkdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parsePackagesIndex } from '../../src/gentoo/packages-index.ts';
import type { Event } from '../../src/journal/event.ts';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import { namesIn } from '../../src/support/files.ts';
import { newId } from '../../src/support/ids.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { inspectIndex, inspectTree } from './inspect-tree.ts';
import { makePackage, type PackageChanges } from './make-package.ts';
import { DEED, type Installation, openInstallation, push } from './open-installation.ts';

const folder = temporaryFolder();
const made = join(folder, 'made');
const onTesting = { ...DEED, profile: 'web', channel: 'testing' };
const onStable = { ...DEED, profile: 'web', channel: 'stable', force: true };
let clock: ManualClock;
let installation: Installation;

beforeAll(async () => {
  await mkdir(made);
});

beforeEach(async () => {
  clock = new ManualClock();
  installation = await openInstallation(join(folder, newId('installation')), clock);
});

afterEach(async () => {
  try {
    expect(await inspectTree(installation)).toEqual([]);
  } finally {
    await installation.close();
  }
});

async function add(cpv: string, changes: PackageChanges = {}): Promise<PackageRecord> {
  return (await push(installation.repository, await makePackage(made, cpv, changes))).package;
}

function channelFolder(channel: string): string {
  return join(installation.folders.mirrorRoot, 'binhost', 'web', channel);
}

/** `CPV-BUILD_ID` of every entry, as a client reads them. */
async function shown(channel: string): Promise<string[]> {
  const text = await readFile(join(channelFolder(channel), 'Packages'), 'utf8');
  return parsePackagesIndex(text).entries.map(
    (entry) => `${entry.get('CPV')}-${entry.get('BUILD_ID')}`,
  );
}

describe('publishing everything', () => {
  it('shows of each category/pn:slot the newest version, its newest build', async () => {
    const { repository } = installation;
    await add('app-misc/a-1.9', { buildTime: 900 });
    await add('app-misc/a-1.10', { buildTime: 500 });
    await add('app-misc/a-1.10', { buildTime: 800 });
    await add('app-misc/a-1.10', { buildTime: 700 });
    await add('app-misc/a-1.10_rc1', { buildTime: 999 });
    await add('app-misc/a-2', { slot: '2/5' });
    await add('app-misc/a-2.1', { slot: '2/6' });
    await add('sys-apps/a-1');

    const publication = await repository.publish(onTesting);

    expect(await shown('testing')).toEqual([
      'app-misc/a-1.10-2',
      'app-misc/a-2.1-1',
      'sys-apps/a-1-1',
    ]);
    expect(publication).toMatchObject({
      profile: 'web',
      channel: 'testing',
      serial: 1,
      kind: 'publish',
      packageCount: 3,
      timestampSeconds: Math.floor(clock.now() / 1000),
      ...DEED,
      requestId: null,
    });
    expect(await repository.currentPublication('web', 'testing')).toEqual(publication);
    const contents = await repository.packagesOfSnapshot(publication.snapshotId);
    expect(contents.map(({ cpv }) => cpv)).toEqual([
      'app-misc/a-1.10',
      'app-misc/a-2.1',
      'sys-apps/a-1',
    ]);
    expect(await repository.findSnapshot(publication.snapshotId)).toMatchObject({
      profile: 'web',
      packageCount: 3,
      origin: 'publish',
    });
    expect(
      (await repository.newestPackages('web')).map(({ cpv, buildId }) => [cpv, buildId]),
    ).toEqual([
      ['app-misc/a-1.10', 2],
      ['app-misc/a-1.10_rc1', 1],
      ['app-misc/a-1.9', 1],
      ['app-misc/a-2', 1],
      ['app-misc/a-2.1', 1],
      ['sys-apps/a-1', 1],
    ]);
  });

  it('writes a header that clients without a profile understand, and links only for what is there', async () => {
    await add('app-misc/a-1');
    await installation.repository.publish(onTesting);
    const text = await readFile(join(channelFolder('testing'), 'Packages'), 'utf8');
    const { header } = parsePackagesIndex(text);
    expect(Object.fromEntries(header)).toEqual({
      VERSION: '0',
      TIMESTAMP: String(Math.floor(clock.now() / 1000)),
      PACKAGES: '1',
      CHOST: 'x86_64-pc-linux-gnu',
      ARCH: 'amd64',
      ELIBC: 'glibc',
      KERNEL: 'linux',
      IUSE_IMPLICIT: 'prefix prefix-guest prefix-stack',
      PROFILE: 'default/linux/amd64/23.0',
      USE_EXPAND: 'CPU_FLAGS_X86 ELIBC KERNEL',
      USE_EXPAND_IMPLICIT: 'ARCH ELIBC KERNEL',
      USE_EXPAND_UNPREFIXED: 'ARCH',
      USE_EXPAND_VALUES_ARCH: 'amd64',
      USE_EXPAND_VALUES_ELIBC: 'glibc',
      USE_EXPAND_VALUES_KERNEL: 'linux',
    });
    expect(await namesIn(channelFolder('testing'))).toEqual([
      'Packages',
      'Packages.gz',
      'app-misc',
    ]);
    expect(await readlink(join(channelFolder('testing'), 'app-misc'))).toBe(
      '../../packages/app-misc',
    );
    expect(await readlink(channelFolder('testing'))).toBe('.publications/testing-1');
    expect(await inspectIndex(channelFolder('testing'))).toEqual([]);
  });

  it('works with nothing to show, but never takes everything away', async () => {
    const { repository } = installation;
    expect(await repository.publish(onTesting)).toMatchObject({ packageCount: 0 });
    expect(await shown('testing')).toEqual([]);
    await add('app-misc/a-1');
    await repository.publish({ ...onStable });
    await expect(repository.promote(onStable)).rejects.toMatchObject({ code: 'index-collapsed' });
    expect(await shown('stable')).toEqual(['app-misc/a-1-1']);
  });

  it('refuses profiles and channels that are not there', async () => {
    const { repository } = installation;
    await expect(repository.publish({ ...onTesting, profile: 'nope' })).rejects.toMatchObject({
      code: 'unknown-profile',
    });
    await expect(repository.publish({ ...onTesting, profile: 'old' })).rejects.toMatchObject({
      code: 'unknown-channel',
    });
    await expect(repository.promote({ ...onTesting, channel: '../x' })).rejects.toMatchObject({
      code: 'unknown-channel',
    });
    await expect(repository.rollback({ ...onTesting, channel: 'nope' })).rejects.toMatchObject({
      code: 'unknown-channel',
    });
    await expect(
      repository.publish({ ...onTesting, packageIds: ['pkg-nope'] }),
    ).rejects.toMatchObject({ code: 'unknown-package', details: { packageIds: ['pkg-nope'] } });
  });
});

describe('publishing chosen packages', () => {
  it('replaces what the channel has of the same category/pn:slot and leaves the rest', async () => {
    const { repository } = installation;
    const a1 = await add('app-misc/a-1', { slot: '0/1' });
    const a2 = await add('app-misc/a-2', { slot: '0/2' });
    const b1 = await add('app-misc/b-1');
    const other = await add('app-misc/a-9', { slot: '9' });
    await repository.publish({ ...onTesting, packageIds: [a2.id, b1.id, other.id, other.id] });
    expect(await shown('testing')).toEqual(['app-misc/a-2-1', 'app-misc/a-9-1', 'app-misc/b-1-1']);

    await repository.publish({ ...onTesting, packageIds: [a1.id] });

    expect(await shown('testing')).toEqual(['app-misc/a-1-1', 'app-misc/a-9-1', 'app-misc/b-1-1']);
  });

  it('refuses packages of another profile', async () => {
    const { repository } = installation;
    const file = await makePackage(made, 'app-misc/a-1');
    const { package: foreign } = await push(repository, file, { profile: 'old' });
    await expect(
      repository.publish({ ...onTesting, packageIds: [foreign.id] }),
    ).rejects.toMatchObject({ code: 'unknown-package' });
  });

  it('makes one publication for a request, however often and at once it is asked', async () => {
    const { repository } = installation;
    const a1 = await add('app-misc/a-1');
    const asked = { ...onTesting, packageIds: [a1.id], requestId: 'req-1' };
    const made1 = await Promise.all(
      Array.from({ length: 5 }, async () => await repository.publish(asked)),
    );
    const later = await repository.publish({
      ...onTesting,
      requestId: 'req-2',
      packageIds: [a1.id],
    });
    const again = await installation.restarted().publish(asked);
    expect(new Set([...made1, again].map(({ serial }) => serial))).toEqual(new Set([1]));
    expect(later).toMatchObject({ serial: 2, snapshotId: again.snapshotId, requestId: 'req-2' });
    expect(await repository.findSnapshot(again.snapshotId)).toMatchObject({
      origin: 'request:req-1',
    });
  });
});

describe('promotion and rollback', () => {
  it('show the same snapshot on the next channel, and an earlier one again', async () => {
    const { repository } = installation;
    await add('app-misc/a-1');
    const first = await repository.publish(onTesting);
    const promoted = await repository.promote(onStable);
    expect(promoted).toMatchObject({ serial: 1, kind: 'promote', snapshotId: first.snapshotId });
    await add('app-misc/a-2');
    await repository.publish(onTesting);
    await repository.promote({ ...onStable, from: 'testing', serial: 2 });
    expect(await shown('stable')).toEqual(['app-misc/a-2-1']);

    const rolledBack = await repository.rollback(onStable);

    expect(rolledBack).toMatchObject({ serial: 3, kind: 'rollback', snapshotId: first.snapshotId });
    expect(await shown('stable')).toEqual(['app-misc/a-1-1']);
    expect(await shown('testing')).toEqual(['app-misc/a-2-1']);
    await repository.rollback({ ...onStable, serial: 2 });
    expect(await shown('stable')).toEqual(['app-misc/a-2-1']);
    const all = await repository.publications('web', 'stable', 10);
    expect(all.map(({ serial, kind }) => `${serial} ${kind}`)).toEqual([
      '4 rollback',
      '3 rollback',
      '2 promote',
      '1 promote',
    ]);
    expect(await repository.publications('web', 'stable', 2)).toEqual(all.slice(0, 2));
  });

  it('go back further the second time, and never to the release that was left', async () => {
    const { repository } = installation;
    await add('app-misc/a-1');
    await repository.publish(onTesting);
    await add('app-misc/a-2');
    await repository.publish(onTesting);
    await add('app-misc/a-3');
    await repository.publish(onTesting);
    expect(await repository.rollback(onTesting)).toMatchObject({ serial: 4 });
    expect(await shown('testing')).toEqual(['app-misc/a-2-1']);

    expect(await repository.rollback(onTesting)).toMatchObject({ serial: 5 });

    expect(await shown('testing')).toEqual(['app-misc/a-1-1']);
    await expect(repository.rollback(onTesting)).rejects.toMatchObject({
      code: 'nothing-to-roll-back',
    });
    expect(await shown('testing')).toEqual(['app-misc/a-1-1']);
  });

  it('pass over equal publications when they look for an earlier one', async () => {
    const { repository } = installation;
    await add('app-misc/a-1');
    await repository.publish(onTesting);
    await add('app-misc/a-2');
    await repository.publish(onTesting);
    await repository.publish(onTesting);
    expect(await repository.rollback(onTesting)).toMatchObject({ serial: 4, packageCount: 1 });
    expect(await shown('testing')).toEqual(['app-misc/a-1-1']);
  });

  it('are refused when there is nothing to show', async () => {
    const { repository } = installation;
    await expect(repository.promote(onStable)).rejects.toMatchObject({
      code: 'nothing-to-promote',
    });
    await expect(repository.promote(onTesting)).rejects.toMatchObject({
      code: 'nothing-to-promote',
    });
    await expect(repository.promote({ ...onStable, from: 'stable' })).rejects.toMatchObject({
      code: 'nothing-to-promote',
    });
    await expect(repository.promote({ ...onStable, from: 'nope' })).rejects.toMatchObject({
      code: 'unknown-channel',
    });
    await expect(repository.promote({ ...onStable, serial: 3 })).rejects.toMatchObject({
      code: 'unknown-publication',
    });
    await expect(repository.rollback(onStable)).rejects.toMatchObject({
      code: 'nothing-to-roll-back',
    });
    await add('app-misc/a-1');
    await repository.publish(onStable);
    await repository.publish(onStable);
    await expect(repository.rollback(onStable)).rejects.toMatchObject({
      code: 'nothing-to-roll-back',
    });
    await expect(repository.rollback({ ...onStable, serial: 9 })).rejects.toMatchObject({
      code: 'unknown-publication',
    });
    expect(await repository.publications('web', 'stable', 10)).toHaveLength(2);
  });

  it('stand in the journal with who, why and what', async () => {
    const { repository, journal } = installation;
    const heard: Event[] = [];
    journal.listen((event) => heard.push(event));
    await add('app-misc/a-1');
    await repository.publish({ ...onTesting, requestId: 'req-1' });
    await repository.promote(onStable);
    await repository.rollback({ ...onStable, serial: 1, author: 'token:other', reason: 'broken' });
    expect(heard.slice(1)).toMatchObject([
      {
        kind: 'published',
        subject: 'channel:web/testing',
        actor: 'token:admin',
        data: { serial: 1, packages: 1, reason: 'because', request: 'req-1' },
      },
      {
        kind: 'promoted',
        subject: 'channel:web/stable',
        data: { serial: 1, packages: 1, from: { channel: 'testing', serial: 1 } },
      },
      {
        kind: 'rolled-back',
        subject: 'channel:web/stable',
        actor: 'token:other',
        data: { serial: 2, to: 1, reason: 'broken' },
      },
    ]);
    expect(await journal.latest(3)).toEqual(heard.slice(1).toReversed());
  });
});

describe('TIMESTAMP', () => {
  it('is now, or 6 seconds after the one before when that is later, even when the clock goes back', async () => {
    const { repository } = installation;
    await add('app-misc/a-1');
    const start = Math.floor(clock.now() / 1000);
    const timestamps: number[] = [];
    for (const step of [0, 0, 5_000, 60_000, -3_600_000, 0]) {
      clock.advance(step);
      timestamps.push((await repository.publish(onTesting)).timestampSeconds - start);
    }
    expect(timestamps).toEqual([0, 6, 12, 65, 71, 77]);
    expect((await repository.promote(onStable)).timestampSeconds).toBe(start + 65 - 3600);
  });
});

describe('a reader of the channel', () => {
  it('never finds it absent, half-written, mixed or older while it is published 200 times', async () => {
    const { repository } = installation;
    const versions = [await add('app-misc/a-1'), await add('app-misc/a-2')];
    await repository.publish({ ...onTesting, packageIds: [versions[0]?.id ?? ''] });
    const end = new AbortController();
    const reading = readUntil(channelFolder('testing'), end.signal);
    for (let round = 0; round < 200; round += 1) {
      const { id = '' } = versions[round % 2] ?? {};
      await repository.publish({ ...onTesting, packageIds: [id] });
    }
    end.abort();
    const { reads, faults } = await reading;
    expect(faults).toEqual([]);
    expect(reads).toBeGreaterThan(50);
  }, 120_000);
});

/** Reads as a server does that opens both files through the channel's link, and counts what does not fit. */
async function readUntil(
  path: string,
  signal: AbortSignal,
): Promise<{ readonly reads: number; readonly faults: string[] }> {
  const faults: string[] = [];
  let newest = 0;
  let reads = 0;
  while (!signal.aborted) {
    const file = reads % 2 === 0 ? 'Packages' : 'Packages.gz';
    const bytes = await readFile(join(path, file));
    const { header, entries } = parsePackagesIndex(
      (file === 'Packages' ? bytes : gunzipSync(bytes)).toString('utf8'),
    );
    const timestamp = Number(header.get('TIMESTAMP'));
    if (timestamp < newest || header.get('PACKAGES') !== '1' || entries.length !== 1) {
      faults.push(`${timestamp} after ${newest}, ${entries.length} entries`);
    }
    const { size } = await stat(join(path, entries[0]?.get('PATH') ?? ''));
    if (String(size) !== entries[0]?.get('SIZE')) {
      faults.push(`${entries[0]?.get('PATH')} has ${size} bytes`);
    }
    newest = timestamp;
    reads += 1;
  }
  return { reads, faults };
}
