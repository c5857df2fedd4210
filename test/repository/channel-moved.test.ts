import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Repository } from '../../src/repository/repository.ts';
import { newId } from '../../src/support/ids.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { inspectTree } from './inspect-tree.ts';
import { makePackage } from './make-package.ts';
import { DEED, type Installation, openInstallation, push } from './open-installation.ts';

const folder = temporaryFolder();
const made = join(folder, 'made');
const onTesting = { ...DEED, profile: 'web', channel: 'testing' };
const onStable = { ...DEED, profile: 'web', channel: 'stable' };
const toStable = { ...onStable, force: true };
let installation: Installation;
let repository: Repository;

beforeAll(async () => {
  await mkdir(made);
});

beforeEach(async () => {
  installation = await openInstallation(join(folder, newId('installation')), new ManualClock());
  ({ repository } = installation);
  await publishNew('app-misc/a-1');
});

afterEach(async () => {
  try {
    expect(await inspectTree(installation)).toEqual([]);
  } finally {
    await installation.close();
  }
});

async function publishNew(cpv: string): Promise<void> {
  await push(repository, await makePackage(made, cpv));
  await repository.publish(onTesting);
}

async function shownOn(channel: string): Promise<number | undefined> {
  return (await repository.currentPublication('web', channel))?.serial;
}

describe('two administrators who decide at once', () => {
  it('promote: one wins, the other is told what is shown by whom', async () => {
    await repository.promote({ ...toStable, expected: 0 });
    await publishNew('app-misc/a-2');
    await publishNew('app-misc/a-3');
    const both = await Promise.allSettled([
      repository.promote({ ...toStable, author: 'token:ann', expected: 1 }),
      repository.promote({ ...toStable, author: 'token:bob', serial: 2, expected: 1 }),
    ]);
    expect(both).toMatchObject([
      { status: 'fulfilled', value: { serial: 2, author: 'token:ann' } },
      {
        status: 'rejected',
        reason: {
          code: 'channel-moved',
          message:
            'The channel stable of web does not show publication 1: it shows 2, published by token:ann.',
          details: { expected: 1, serial: 2, author: 'token:ann', channel: 'stable' },
        },
      },
    ]);
    expect(await shownOn('stable')).toBe(2);
  });

  it('promote the same without saying what they saw: the second is told that it is done', async () => {
    const both = await Promise.allSettled([
      repository.promote({ ...toStable, author: 'token:ann' }),
      repository.promote({ ...toStable, author: 'token:bob' }),
    ]);
    expect(both).toMatchObject([
      { status: 'fulfilled', value: { serial: 1 } },
      {
        status: 'rejected',
        reason: {
          code: 'nothing-to-promote',
          message:
            'The channel stable of web shows what testing 1 holds already: publication 1, published by token:ann.',
        },
      },
    ]);
    expect(await shownOn('stable')).toBe(1);
  });

  it('publish or roll back: the later one is refused and changes nothing', async () => {
    await publishNew('app-misc/a-2');
    const before = await installation.database.selectFrom('snapshots').select('id').execute();
    const [older] = await repository.packagesByCpv('web', 'app-misc/a-1');
    const late = [
      repository.publish({ ...onTesting, expected: 1, packageIds: [older?.id ?? ''] }),
      repository.rollback({ ...onTesting, expected: 3 }),
      repository.publish({ ...onStable, expected: 1 }),
    ];
    expect(await Promise.allSettled(late)).toMatchObject([
      { reason: { code: 'channel-moved', details: { expected: 1, serial: 2 } } },
      { reason: { code: 'channel-moved', details: { expected: 3, serial: 2 } } },
      {
        reason: {
          code: 'channel-moved',
          message:
            'The channel stable of web does not show publication 1: nothing was published on it yet.',
        },
      },
    ]);
    expect(await installation.database.selectFrom('snapshots').select('id').execute()).toEqual(
      before,
    );
    expect(await repository.rollback({ ...onTesting, expected: 2 })).toMatchObject({ serial: 3 });
  });
});
