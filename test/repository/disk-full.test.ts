import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isAppError } from '../../src/support/errors.ts';
import { namesIn } from '../../src/support/files.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { SmallDisk, whyNoSmallDisk } from '../support/small-disk.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { readAcknowledged } from './after-a-stop.ts';
import { inspectIndex, inspectTree } from './inspect-tree.ts';
import { makePackage } from './make-package.ts';
import {
  DEED,
  type Installation,
  keeping,
  keepingLittle,
  openInstallation,
  push,
} from './open-installation.ts';

const DAY = 86_400_000;
const DISK_MIB = 24;
/** So many bytes are left at the first try, and more at each further one, until there is enough. */
const ROOM_STEP = 4096;
const MOST_TRIES = 100;
const folder = temporaryFolder();
const place = join(folder, 'disk');
const missing = await whyNoSmallDisk(place);
const title = `a full disk${missing === undefined ? '' : ` (skipped: ${missing})`}`;
const onTesting = { ...DEED, profile: 'web', channel: 'testing' };
const onStable = { ...DEED, profile: 'web', channel: 'stable', force: true };

/** Made beside the disk. */
async function makeBeside(cpv: string): Promise<string> {
  await mkdir(join(folder, 'made'), { recursive: true });
  return await makePackage(join(folder, 'made'), cpv, { content: Buffer.alloc(30_000, cpv) });
}

(missing === undefined ? describe : describe.skip)(title, () => {
  const clock = new ManualClock();
  let disk: SmallDisk;
  let installation: Installation;
  let made = 0;

  beforeAll(async () => {
    disk = await SmallDisk.mount(place, DISK_MIB);
    installation = await openInstallation(place, clock, keeping(keepingLittle(DAY)));
    await push(installation.repository, await makeBeside('app-misc/first-1'));
    await installation.repository.publish(onTesting);
    await installation.repository.promote(onStable);
  });
  afterAll(async () => {
    await installation.close();
    await disk.unmount();
  });

  /** Publications as clients find them, by name. */
  async function faultsOfChannels(): Promise<string[]> {
    const binhost = join(installation.folders.mirrorRoot, 'binhost', 'web');
    const faults: string[] = [];
    for (const name of await namesIn(join(binhost, '.publications'))) {
      if (!name.startsWith('.')) {
        faults.push(...(await inspectIndex(join(binhost, '.publications', name))));
      }
    }
    for (const channel of ['testing', 'stable']) {
      faults.push(...(await inspectIndex(join(binhost, channel))));
    }
    return faults;
  }

  /** Tries it with no room, with a little, with more; it is refused cleanly until it works. Returns the refusals. */
  async function tryUntilRoom(work: () => Promise<unknown>): Promise<string[]> {
    const said: string[] = [];
    for (let room = 0; room < MOST_TRIES * ROOM_STEP; room += ROOM_STEP) {
      const before = await readAcknowledged(installation.database);
      await disk.empty();
      await disk.fill(room);
      try {
        await work();
        await disk.empty();
        expect(await inspectTree(installation)).toEqual([]);
        return said;
      } catch (error) {
        if (!isAppError(error, 'disk-full')) {
          throw error;
        }
        said.push(error.message);
      }
      expect(await faultsOfChannels()).toEqual([]);
      expect(await readAcknowledged(installation.database)).toEqual(before);
      await disk.empty();
      // What could not be cleared away while the disk was full is all that may be left over.
      const left = (await inspectTree(installation)).filter((one) => !one.startsWith('left over'));
      expect(left).toEqual([]);
    }
    throw new Error(`${MOST_TRIES} tries were refused; the last one: ${said.at(-1)}`);
  }

  it('refuses an upload and an import, and takes the same one once there is room', async () => {
    const file = await makeBeside(`app-misc/pushed-${(made += 1)}`);
    const said = await tryUntilRoom(async () => await push(installation.repository, file));
    expect(said[0]).toMatch(
      /^The disk is full: the upload [0-9a-f]{12} could not be written to state\/uploads\./,
    );
    expect(said.at(-1)).toMatch(
      /the package of web from the upload .* could not be written to (?:state\/pool|the database)/,
    );
  });

  it('refuses a publication, and shows it once there is room', async () => {
    await push(installation.repository, await makeBeside(`app-misc/published-${(made += 1)}`));
    const said = await tryUntilRoom(async () => await installation.repository.publish(onTesting));
    expect(said[0]).toMatch(
      /^The disk is full: a publication on testing of web could not be written to /,
    );
  });

  it('refuses a promotion and a rollback', async () => {
    const { repository } = installation;
    await push(repository, await makeBeside(`app-misc/promoted-${(made += 1)}`));
    await repository.publish(onTesting);
    const said = [
      ...(await tryUntilRoom(async () => await repository.promote(onStable))),
      ...(await tryUntilRoom(async () => await repository.rollback({ ...onStable, serial: 1 }))),
    ];
    expect(said.some((one) => one.includes('a publication on stable of web'))).toBe(true);
  });

  it('refuses a collection, and carries it out once there is room', async () => {
    const { repository } = installation;
    for (let version = 1; version <= 3; version += 1) {
      await push(repository, await makeBeside(`app-misc/versions-${version}`));
      await repository.publish(onTesting);
    }
    clock.advance(20 * DAY);
    await disk.fill();
    const request = { profile: 'web', dryRun: false, actor: 'token:ops' };
    await expect(repository.retention.collect(request)).rejects.toMatchObject({
      code: 'disk-full',
      message: expect.stringContaining('could not be written to state/intents'),
    });
    expect(await faultsOfChannels()).toEqual([]);
    await disk.empty();
    const { profiles } = await repository.retention.collect(request);
    expect(profiles[0]?.packages.map(({ cpv }) => cpv)).toContain('app-misc/versions-1');
    expect(await inspectTree(installation)).toEqual([]);
  });

  it('refuses what only the database would hold, and goes on', async () => {
    const big = 'x'.repeat(200_000);
    const write = async (): Promise<unknown> =>
      await installation.database.transaction().execute(async (queries) => {
        for (let count = 0; count < 40; count += 1) {
          const event = { kind: 'noted', subject: 'server', actor: 'server', data: { big } };
          await installation.journal.write(queries, event);
        }
      });
    const before = (await installation.journal.latest(1))[0]?.seq;
    await disk.fill();
    await expect(write()).rejects.toMatchObject({ code: 'SQLITE_FULL' });
    await expect(write()).rejects.toMatchObject({ code: 'SQLITE_FULL' });
    await disk.empty();
    expect((await installation.journal.latest(1))[0]?.seq).toBe(before);
    await installation.repository.publish(onTesting);
    await write();
  });

  it('leaves nothing behind that a start does not clear away', async () => {
    await installation.repository.recover();
    expect(await inspectTree(installation)).toEqual([]);
  });
});
