import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import type { PublicationName } from '../../src/repository/repository.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { makePackage, type PackageChanges } from './make-package.ts';
import { DEED, type Installation, openInstallation, push } from './open-installation.ts';

const folder = temporaryFolder();
const made = join(folder, 'made');
let installation: Installation;

beforeAll(async () => {
  await mkdir(made);
  installation = await openInstallation(join(folder, 'installation'), new ManualClock());
});

afterAll(async () => {
  await installation.close();
});

async function add(cpv: string, changes: PackageChanges = {}): Promise<PackageRecord> {
  const file = await makePackage(made, cpv, {
    ...changes,
    metadata: { RDEPEND: undefined, ...changes.metadata },
  });
  return (await push(installation.repository, file)).package;
}

/** A line for each change, as a person would note it. */
async function changesOf(before: PublicationName, after: PublicationName): Promise<string[]> {
  const found = await installation.repository.compare({ profile: 'web', before, after });
  const total = found.changes.reduce((sum, { sizeChange }) => sum + sizeChange, 0);
  expect(found.sizeChange).toBe(total);
  return found.changes.map((change) => {
    const words = [
      ...[...change.use.added, ...change.sonames.added].map((word) => `+${word}`),
      ...[...change.use.removed, ...change.sonames.removed].map((word) => `-${word}`),
    ];
    const sides = [change.before, change.after].map((one) =>
      one === null ? '' : `${one.cpv}-${one.buildId}`,
    );
    return [change.kind, `${change.slot} ${sides.join('>')}`, ...words].join(' ');
  });
}

describe('what is different between two publications', () => {
  beforeAll(async () => {
    const { repository } = installation;
    const testing = { ...DEED, profile: 'web', channel: 'testing' };
    await add('dev-libs/goes-1');
    await add('dev-libs/up-1.9', { metadata: { PROVIDES: 'x86_64: libup.so.1 libcommon.so.2' } });
    await add('dev-libs/up-1.0', { slot: '1/1.0' });
    await add('app-misc/rebuilt-1', {
      metadata: { IUSE: '+ssl doc', USE: 'amd64 ssl', PROVIDES: undefined },
    });
    const down = await add('app-misc/down-1.9');
    await add('app-misc/down-2');
    await add('app-misc/same-1');
    await repository.publish(testing);
    await repository.promote({ ...DEED, profile: 'web', channel: 'stable', force: true });
    const now = [
      await add('dev-libs/up-1.10', {
        metadata: { PROVIDES: 'x86_64: libup.so.2 libcommon.so.2 x86_32: libup.so.2' },
      }),
      await add('dev-libs/up-1.0.1', { slot: '1/1.1' }),
      await add('app-misc/rebuilt-1', {
        metadata: { IUSE: 'ssl +doc', USE: 'amd64 doc elibc_glibc' },
      }),
      await add('app-misc/new-1', { metadata: { IUSE: 'x', USE: 'x', PROVIDES: 'x86_64: n.so' } }),
      down,
    ];
    await repository.publish({ ...testing, packageIds: now.map(({ id }) => id) });
  });

  it('is told package by package, with flags and sonames', async () => {
    expect(await changesOf({ channel: 'stable' }, { channel: 'testing' })).toEqual([
      'down 0 app-misc/down-2-1>app-misc/down-1.9-1',
      'added 0 >app-misc/new-1-1 +x86_64: n.so',
      'rebuilt 0 app-misc/rebuilt-1-1>app-misc/rebuilt-1-2 +doc -ssl',
      'up 0 dev-libs/up-1.9-1>dev-libs/up-1.10-1 +x86_32: libup.so.2 +x86_64: libup.so.2 -x86_64: libup.so.1',
      'up 1 dev-libs/up-1.0-1>dev-libs/up-1.0.1-1',
    ]);
  });

  it('the other way round is the opposite', async () => {
    expect(
      await changesOf({ channel: 'testing', serial: 2 }, { channel: 'testing', serial: 1 }),
    ).toEqual([
      'up 0 app-misc/down-1.9-1>app-misc/down-2-1',
      'removed 0 app-misc/new-1-1> -x86_64: n.so',
      'rebuilt 0 app-misc/rebuilt-1-2>app-misc/rebuilt-1-1 +ssl -doc',
      'down 0 dev-libs/up-1.10-1>dev-libs/up-1.9-1 +x86_64: libup.so.1 -x86_32: libup.so.2 -x86_64: libup.so.2',
      'down 1 dev-libs/up-1.0.1-1>dev-libs/up-1.0-1',
    ]);
  });

  it('is nothing between a publication and what was promoted from it', async () => {
    expect(await changesOf({ channel: 'testing', serial: 1 }, { channel: 'stable' })).toEqual([]);
  });

  it('is everything where nothing was published yet', async () => {
    const { repository } = installation;
    const [old] = [{ channel: 'stable' }];
    const found = await repository.compare({ profile: 'old', before: old, after: old });
    expect([found.before, found.after, found.changes]).toEqual([null, null, []]);
  });

  it.each([
    [{ channel: 'nightly' }, 'unknown-channel'],
    [{ channel: 'stable', serial: 9 }, 'unknown-publication'],
  ])('refuses %j', async (before, code) => {
    const asked = { profile: 'web', before, after: { channel: 'testing' } };
    await expect(installation.repository.compare(asked)).rejects.toMatchObject({ code });
  });
});
