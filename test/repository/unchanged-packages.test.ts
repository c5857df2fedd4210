import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import type { PublicationRecord } from '../../src/repository/publication.ts';
import { shownInstead, unchangedSince } from '../../src/repository/unchanged-packages.ts';
import { newId } from '../../src/support/ids.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { inspectTree } from './inspect-tree.ts';
import { BUILD_TIME, makePackage, type PackageChanges } from './make-package.ts';
import { DEED, type Installation, keeping, openInstallation, push } from './open-installation.ts';

const DAY = 86_400_000;
const root = temporaryFolder();
const ON_TESTING = { ...DEED, profile: 'web', channel: 'testing' };
let folder: string;
let clock: ManualClock;
let installation: Installation;
let first: PackageRecord;

beforeEach(async () => {
  folder = join(root, newId('case'));
  clock = new ManualClock();
  const kept = { keepLast: 1, daily: 0, weekly: 0, monthly: 0, reportedWithinMs: 0 };
  installation = await openInstallation(
    folder,
    clock,
    keeping({ ...kept, graceMs: 0, packagesMs: DAY }),
  );
  first = await build();
  await publish(first);
});
afterEach(async () => {
  expect(await inspectTree(installation)).toEqual([]);
  await installation.close();
});

/** Another build of the same package, later and with other words of its own. */
async function build(changes: PackageChanges = {}): Promise<PackageRecord> {
  clock.advance(60_000);
  const file = await makePackage(folder, 'app-misc/a-1', {
    content: 'the same\n',
    buildTime: BUILD_TIME + Math.floor(clock.now() / 1000) - 1_767_000_000,
    ...changes,
    metadata: {
      FEATURES: `${newId('feature')}\n`,
      INHERITED: `${newId('eclass')}\n`,
      REPO_REVISIONS: `{"lab": "${newId('revision')}"}\n`,
      ...changes.metadata,
    },
  });
  return (await push(installation.repository, file)).package;
}

async function publish(...packages: readonly PackageRecord[]): Promise<PublicationRecord> {
  return await installation.repository.publish({
    ...ON_TESTING,
    requestId: newId('req'),
    packageIds: packages.map(({ id }) => id),
  });
}

async function shown(): Promise<string[]> {
  const index = join(installation.folders.mirrorRoot, 'binhost', 'web', 'testing', 'Packages');
  return [...(await readFile(index, 'utf8')).matchAll(/^BUILD_ID: (.+)$/gm)].map(
    ([, id = '']) => id,
  );
}

describe('a package that was built again and came out the same', () => {
  it('is published as the build that the channel shows', async () => {
    const again = await build();
    expect(again.buildId).toBe(2);
    const { serial, snapshotId } = await publish(again);
    expect(serial).toBe(2);
    expect(await shown()).toEqual(['1']);
    expect(await shownInstead(installation.database, snapshotId, [again.id])).toEqual([
      { id: again.id, cpv: 'app-misc/a-1', shownId: first.id, shownBuildId: 1 },
    ]);
    const part = await installation.repository.partToPublish({
      profile: 'web',
      channel: 'testing',
      packageIds: [again.id],
    });
    expect(part).toMatchObject({ packageIds: [], leftOut: [] });
  });

  it('is published when a file, what it needs or its USE is otherwise', async () => {
    const changes: PackageChanges[] = [
      { content: 'other\n' },
      { metadata: { RDEPEND: 'app-misc/b\n' } },
      { metadata: { USE: 'amd64 elibc_glibc ssl\n', IUSE: 'ssl\n' } },
    ];
    const snapshot = (await publish(first)).snapshotId;
    for (const change of changes) {
      const changed = await build(change);
      expect(await unchangedSince(installation.database, snapshot, [changed.id])).toEqual([]);
    }
    const changed = await build({ content: 'other\n' });
    await publish(changed);
    expect(await shown()).toEqual([String(changed.buildId)]);
  });

  it('is published all the same when somebody names it, or the one that is shown is damaged', async () => {
    const named = await build();
    await installation.repository.publish({ ...ON_TESTING, packageIds: [named.id] });
    expect(await shown()).toEqual(['2']);
    await installation.database
      .insertInto('file_checks')
      .values({ sha512: named.sha512, checked_at: 1, state: 'damaged', reason: 'It is torn.' })
      .execute();
    await publish(await build());
    expect(await shown()).toEqual(['3']);
    await installation.database.deleteFrom('file_checks').execute();
  });

  it('is kept as long as the other is shown, for it says what that is made from now', async () => {
    const second = await build();
    const third = await build();
    await publish(third);
    clock.advance(10 * DAY);
    await installation.repository.retention.collect({ dryRun: false, actor: 'token:ops' });
    const left = await installation.repository.packagesByCpv('web', 'app-misc/a-1');
    expect(left.map(({ buildId }) => buildId).toSorted((a, b) => a - b)).toEqual([1, 3]);
    expect(left.map(({ id }) => id)).not.toContain(second.id);
  });
});
