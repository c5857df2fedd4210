import { open, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import {
  type MadeRepository,
  makeRepository,
  PROFILE,
} from '../../scripts/bench/made-repository.ts';
import { readPackedBlocks } from '../../src/binpkg/pkgdir/packed-blocks.ts';
import { parsePackagesIndex } from '../../src/gentoo/packages-index.ts';
import { indexHeader } from '../../src/repository/index-header.ts';
import type { PublicationRecord } from '../../src/repository/publication.ts';
import { indexedPackagesOfSnapshot } from '../../src/repository/snapshot-store.ts';
import { writeBinhost } from '../../src/repository/write-binhost.ts';
import { newId } from '../../src/support/ids.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { openTestSigner } from './open-installation.ts';

const folder = temporaryFolder();
const DEED = { author: 'token:admin', reason: 'because', profile: PROFILE.name };
const onTesting = { ...DEED, channel: 'testing' };
const onStable = { ...DEED, channel: 'stable' };
const PACKAGES = 400;
let own: string;
let made: MadeRepository;

beforeEach(async () => {
  own = join(folder, newId('made'));
  const clock = new ManualClock();
  made = await makeRepository(own, { signer: await openTestSigner(own, clock), clock });
});

afterEach(async () => {
  await made.close();
});

function all(): number[] {
  return Array.from({ length: PACKAGES }, (_, number) => number);
}

function folderOf({ channel, serial }: Pick<PublicationRecord, 'channel' | 'serial'>): string {
  return join(made.mirrorRoot, 'binhost', 'bench', '.publications', `${channel}-${serial}`);
}

async function filesOf(path: string): Promise<{ readonly plain: Buffer; readonly packed: Buffer }> {
  const [plain, packed] = await Promise.all(
    ['Packages', 'Packages.gz'].map(async (name) => await readFile(join(path, name))),
  );
  return { plain: plain ?? Buffer.alloc(0), packed: packed ?? Buffer.alloc(0) };
}

/** Both files of a publication have to be, byte for byte, what is written when nothing is there to be taken over. */
async function expectAsFromScratch(publication: PublicationRecord): Promise<void> {
  const target = join(own, newId('scratch'));
  const packagesFolder = join(made.mirrorRoot, 'binhost', 'bench', 'packages');
  await writeBinhost({
    folder: target,
    packagesFolder,
    linkTo: (category) => join(packagesFolder, category),
    header: indexHeader(PROFILE),
    timestampSeconds: publication.timestampSeconds,
    packages: await indexedPackagesOfSnapshot(made.database, publication.snapshotId),
  });
  const [found, wanted] = [await filesOf(folderOf(publication)), await filesOf(target)];
  expect(found.plain.equals(wanted.plain)).toBe(true);
  expect(found.packed.equals(wanted.packed)).toBe(true);
  expect(gunzipSync(found.packed).equals(found.plain)).toBe(true);
  expect(parsePackagesIndex(found.plain.toString()).entries).toHaveLength(publication.packageCount);
}

/** Overwrites a byte in the middle of a file. */
async function damage(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    const { size } = await handle.stat();
    await handle.write(Buffer.from([0]), 0, 1, Math.floor(size / 2));
  } finally {
    await handle.close();
  }
}

describe('a publication', () => {
  it('takes over the members of what did not change, as they are', async () => {
    const { repository } = made;
    await made.add(all(), 1);
    const first = await repository.publish(onTesting);
    const ids = await made.add([7], 2);
    const second = await repository.publish({ ...onTesting, packageIds: ids });
    const [before, after] = await Promise.all(
      [first, second].map(async (one) => {
        const { packed } = await filesOf(folderOf(one));
        return [...readPackedBlocks(packed).values()].map((member) => member.toString('base64'));
      }),
    );
    expect(before?.length).toBeGreaterThanOrEqual(4);
    const added = after?.filter((member) => before?.includes(member) === false);
    expect(added).toHaveLength(2);
    await expectAsFromScratch(second);
  });

  it('is what is written from scratch, after any sequence of changes, promotions and rollbacks', async () => {
    const { repository, add } = made;
    await add(all(), 1);
    let build = 1;
    const number = fc.nat({ max: PACKAGES + 50 });
    const step = fc.record({
      numbers: fc.uniqueArray(number, { minLength: 1, maxLength: 12 }),
      how: fc.constantFrom('newest', 'chosen', 'promote', 'rollback'),
      channel: fc.constantFrom('testing', 'stable'),
    });
    await expectAsFromScratch(await repository.publish(onTesting));
    await expectAsFromScratch(await repository.promote({ ...onStable, force: true }));
    const property = fc.asyncProperty(step, async ({ numbers, how, channel }) => {
      build += 1;
      const packageIds = await add(numbers, build);
      if (how === 'newest') {
        const publication = await repository.publish({ ...DEED, channel, force: true });
        await expectAsFromScratch(publication);
        const shown = await repository.packagesOfSnapshot(publication.snapshotId);
        const everything = await repository.newestPackages(PROFILE.name);
        expect(shown.map(({ id }) => id)).toEqual(everything.map(({ id }) => id));
      } else if (how === 'chosen') {
        await expectAsFromScratch(
          await repository.publish({ ...DEED, channel, packageIds, force: true }),
        );
      } else if (how === 'promote') {
        await repository.publish({ ...onTesting, packageIds });
        await expectAsFromScratch(await repository.promote({ ...onStable, force: true }));
      } else {
        await expectAsFromScratch(await repository.rollback({ ...DEED, channel, serial: 1 }));
      }
    });
    await fc.assert(property, { numRuns: 25, endOnFailure: true });
  });

  it.each(['Packages', 'Packages.gz'])(
    'is whole when the %s that it would take over is damaged, cut off or gone',
    async (name) => {
      const { repository } = made;
      await made.add(all(), 1);
      const first = join(folderOf(await repository.publish(onTesting)), name);
      await damage(first);
      const second = await repository.publish(onTesting);
      await expectAsFromScratch(second);
      const handle = await open(join(folderOf(second), name), 'r+');
      await handle.truncate(5000);
      await handle.close();
      const third = await repository.publish(onTesting);
      await expectAsFromScratch(third);
      await rm(join(folderOf(third), name));
      await expectAsFromScratch(await repository.publish(onTesting));
    },
  );

  it('is refused when a file of it is missing', async () => {
    const { repository } = made;
    await made.add(all(), 1);
    await repository.publish(onTesting);
    await repository.promote({ ...onStable, force: true });
    await made.add([3], 2);
    await repository.publish(onTesting);
    const [newest] = await repository.packagesByCpv(
      PROFILE.name,
      (
        await repository.searchPackages({
          profile: PROFILE.name,
          search: 'number 3',
          limit: 1,
          offset: 0,
        })
      ).packages[0]?.cpv ?? '',
    );
    const file = join(made.mirrorRoot, 'binhost', 'bench', 'packages', newest?.path ?? '');
    await rm(file);
    await expect(repository.promote({ ...onStable, force: true })).rejects.toMatchObject({
      code: 'publication-refused',
    });
    await symlink('/dev/null', file);
    await expect(repository.promote({ ...onStable, force: true })).rejects.toMatchObject({
      code: 'publication-refused',
    });
    expect(await repository.currentPublication(PROFILE.name, 'stable')).toMatchObject({
      serial: 1,
    });
  });
});

describe('what is newest of everything', () => {
  it('is found again after packages came and went without notice', async () => {
    const { repository, database } = made;
    const [one = '', two = ''] = await made.add([1, 2], 1);
    const first = await repository.publish(onTesting);
    expect(first.packageCount).toBe(2);
    const [newer = ''] = await made.add([1], 2);
    await database.deleteFrom('packages').where('id', '=', newer).execute();

    const second = await repository.publish(onTesting);

    expect(second.snapshotId).toBe(first.snapshotId);
    const ids = (await repository.packagesOfSnapshot(second.snapshotId)).map(({ id }) => id);
    expect(ids.toSorted()).toEqual([one, two].toSorted());
  });
});
