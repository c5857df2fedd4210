import { link, lstat, mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parsePackagesIndex } from '../../../src/gentoo/packages-index.ts';
import type { RetentionPolicy } from '../../../src/gentoo/retention-policy.ts';
import type { Collection } from '../../../src/repository/retention/retention.ts';
import { exists } from '../../../src/support/files.ts';
import { newId } from '../../../src/support/ids.ts';
import { runChecked, toolEnvironment } from '../../../src/support/processes.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { inspectTree } from '../inspect-tree.ts';
import { makePackage } from '../make-package.ts';
import { DEED, type Installation, keeping, openInstallation, push } from '../open-installation.ts';

const DAY = 86_400_000;
const POLICY: RetentionPolicy = {
  keepLast: 3,
  daily: 0,
  weekly: 0,
  monthly: 0,
  reportedWithinMs: 30 * DAY,
  graceMs: 3 * DAY,
  packagesMs: 90 * DAY,
};
const root = temporaryFolder();
const ON_TESTING = { ...DEED, profile: 'web', channel: 'testing' };
let folder: string;
let clock: ManualClock;
let installation: Installation;

beforeEach(async () => {
  folder = join(root, newId('case'));
  await mkdir(folder);
  clock = new ManualClock();
  installation = await openInstallation(folder, clock, keeping(POLICY));
});
afterEach(async () => {
  expect(await inspectTree(installation)).toEqual([]);
  await installation.close();
});

/** Publishes a new version of one package every day, so that each publication has one package of its own. */
async function publishDaily(days: number, profile = 'web'): Promise<string[]> {
  const ids: string[] = [];
  for (let day = 1; day <= days; day += 1) {
    const content = Buffer.alloc(20_000, newId('content'));
    const file = await makePackage(folder, `app-misc/daily-${day}`, { content });
    ids.push((await push(installation.repository, file, { profile })).package.id);
    await installation.repository.publish({
      ...DEED,
      profile,
      channel: profile === 'old' ? 'stable' : 'testing',
    });
    clock.advance(DAY);
  }
  return ids;
}

async function collect(dryRun = false, profile?: string): Promise<Collection> {
  return await installation.repository.retention.collect({
    dryRun,
    actor: 'token:ops',
    ...(profile === undefined ? {} : { profile }),
  });
}

function going(collection: Collection, profile = 'web'): (string | number)[][] {
  const one = collection.profiles.find((each) => each.profile === profile);
  return [
    one?.publications.filter(({ keep }) => !keep).map(({ serial }) => serial) ?? [],
    one?.packages.map(({ cpv }) => cpv) ?? [],
  ];
}

/** Bytes on disk, each file once however many names it has, as `du` counts. */
async function bytesOnDisk(): Promise<number> {
  const { stdout } = await runChecked(
    ['du', '-sb', join(folder, 'mirror-root'), join(folder, 'state', 'pool')],
    { env: toolEnvironment() },
  );
  return stdout
    .toString()
    .trim()
    .split('\n')
    .reduce((sum, line) => sum + Number(line.split('\t')[0]), 0);
}

describe('collecting', () => {
  it('says beforehand what it does then, frees the bytes, and leaves the rest whole', async () => {
    await publishDaily(8);
    clock.advance(100 * DAY);
    const before = await bytesOnDisk();
    const planned = await collect(true);
    expect(await bytesOnDisk()).toBe(before);
    const [serials, cpvs] = going(planned);
    expect(serials).toHaveLength(5);
    expect(cpvs).toHaveLength(5);
    const done = await collect();
    expect({ ...done, dryRun: true, rows: {} }).toEqual(planned);
    expect(done.rows).toMatchObject({ publications: 5, snapshots: 5, packages: 5 });
    const freed = before - (await bytesOnDisk());
    const said = done.profiles[0]?.going.bytes ?? 0;
    expect(said).toBeGreaterThan(5 * 500);
    expect(freed).toBeGreaterThanOrEqual(said);
    expect(going(await collect(true))).toEqual([[], []]);
    const tables = ['blocks', 'block_packages', 'snapshot_blocks', 'block_texts'] as const;
    for (const table of tables) {
      const rows = await installation.database.selectFrom(table).selectAll().execute();
      expect({ table, rows: rows.length }).toEqual({ table, rows: 3 });
    }
  });

  it('says of each byte that stays what holds it', async () => {
    await publishDaily(3);
    const { profiles } = await collect(true);
    const web = profiles.find(({ profile }) => profile === 'web');
    expect(web?.publications.map(({ holders }) => holders[0])).toEqual([
      'last 3 of testing',
      expect.stringContaining('what a rollback'),
      'shown by testing',
    ]);
    const held = web?.staying.reduce((sum, { bytes }) => sum + bytes, 0);
    let bytes = 0;
    for (const { sha512 } of await installation.repository.newestPackages('web')) {
      bytes += (await stat(join(folder, 'state', 'pool', sha512.slice(0, 2), sha512))).size;
    }
    for (const serial of [1, 2, 3]) {
      for (const name of ['Packages', 'Packages.gz']) {
        bytes += (await stat(publicationFile(serial, name))).size;
      }
    }
    expect(held).toBe(bytes);
  });

  it('lets a client with an old index fetch all of it within the grace time, and no longer', async () => {
    await publishDaily(8);
    await strictest(3);
    const cached = await readFile(publicationFile(6, 'Packages'), 'utf8');
    await collect();
    const { entries } = parsePackagesIndex(cached);
    for (const entry of entries) {
      const { size } = await stat(publicationFile(6, entry.get('PATH') ?? ''));
      expect(String(size)).toBe(entry.get('SIZE'));
    }
    clock.advance(4 * DAY);
    await collect();
    expect(await exists(publicationFile(6, 'Packages'))).toBe(false);
    const path = entries[0]?.get('PATH') ?? '';
    expect(await exists(join(folder, 'mirror-root/binhost/web/packages', path))).toBe(false);
  });

  it('tells who asks for what is gone, and never uses its names again', async () => {
    const [first = ''] = await publishDaily(8);
    clock.advance(200 * DAY);
    const collectedAt = new Date(clock.now()).toISOString();
    await collect();
    const { repository } = installation;
    await expect(repository.rollback({ ...ON_TESTING, serial: 1 })).rejects.toMatchObject({
      code: 'publication-collected',
      message: `The publication 1 on testing of web was collected at ${collectedAt}.`,
    });
    expect(await repository.findPackage(first)).toBeUndefined();
    expect(await repository.retention.findCollected(first)).toMatchObject({
      cpv: 'app-misc/daily-1',
      buildId: 1,
    });
    const again = await push(repository, await makePackage(folder, 'app-misc/daily-1'));
    expect(again.package.buildId).toBe(2);
    expect((await repository.publish(ON_TESTING)).serial).toBe(9);
    const events = await installation.journal.find({ limit: 100, actor: 'token:ops' });
    expect(events.filter(({ kind }) => kind === 'publication-collected')).not.toEqual([]);
    expect(events.find(({ kind }) => kind === 'packages-collected')?.data).toMatchObject({
      packages: expect.arrayContaining([{ id: first, cpv: 'app-misc/daily-1', buildId: 1 }]),
    });
  });

  it('keeps what is pinned and what a node has reported', async () => {
    await publishDaily(8);
    const { retention } = installation.repository;
    const key = { profile: 'web', channel: 'testing', serial: 2 };
    await expect(retention.pin(key, { author: 'token:ops', reason: ' ' })).rejects.toMatchObject({
      code: 'reason-required',
    });
    await retention.pin(key, { author: 'token:ops', reason: 'audit' });
    clock.advance(200 * DAY);
    await report(4);
    await collect();
    const kept = (await installation.repository.publications('web', 'testing', 100)).map(
      ({ serial }) => serial,
    );
    expect(kept.slice(-2)).toEqual([4, 2]);
    await retention.unpin(key, DEED);
    await expect(retention.unpin(key, DEED)).rejects.toMatchObject({ code: 'not-pinned' });
    clock.advance(31 * DAY);
    expect(going(await collect())[0]).toEqual([2, 4]);
  });

  it('keeps what open requests and staging trees need', async () => {
    const ids = await publishDaily(8);
    clock.advance(200 * DAY);
    const { repository, database } = installation;
    await repository.stage('req-1-x', 'web', [ids[0] ?? '']);
    await database
      .insertInto('requests')
      .values({
        id: 'req-open',
        profile: 'web',
        atoms_json: '[]',
        rebuild: 0,
        publish_channel: null,
        publish_forced: 0,
        publish_reason: '',
        publish_partial: 0,
        publish_not_over: null,
        state: 'building',
        reason: null,
        author: 'token:x',
        created_at: 1,
        finished_at: null,
        profile_json: '{}',
        plan_json: null,
        cancelled_by: null,
        retry_blocked: 0,
        resolve_json: '[]',
        priority: 0,
      })
      .execute();
    expect(going(await collect())[1]).toEqual([]);
    await database.updateTable('requests').set({ state: 'done' }).execute();
    expect(going(await collect())[1]).toHaveLength(4);
    expect(await repository.findPackage(ids[0] ?? '')).toBeDefined();
    await repository.unstage('req-1-x');
    expect(going(await collect())[1]).toEqual(['app-misc/daily-1']);
  });

  it('keeps files that another profile refers to', async () => {
    const ids = await publishDaily(8);
    const { database, repository } = installation;
    const [id = ''] = ids;
    const shared = await repository.findPackage(id);
    const { sha512 = '', size } = shared ?? {};
    await shareWithOld(id);
    clock.advance(200 * DAY);
    const planned = await collect(true, 'web');
    const [web] = planned.profiles;
    expect(web?.staying.find(({ holder }) => holder === 'the profile old')).toEqual({
      holder: 'the profile old',
      files: 1,
      bytes: size,
    });
    expect({ ...(await collect(false, 'web')), dryRun: true, rows: {} }).toEqual(planned);
    const pooled = join(folder, 'state/pool', sha512.slice(0, 2), sha512);
    expect((await lstat(pooled)).nlink).toBe(2);
    const rows = await database.selectFrom('packages').select('profile').execute();
    expect(rows.filter(({ profile }) => profile === 'old')).toHaveLength(1);
    const all = await collect(false, 'old');
    const [old] = all.profiles;
    expect(old?.going).toMatchObject({ files: 1, bytes: size });
    expect(await exists(pooled)).toBe(false);
  });

  it('stands aside for publications, and removes nothing that they take up meanwhile', async () => {
    await publishDaily(8);
    clock.advance(200 * DAY);
    const { repository } = installation;
    const [done] = await Promise.all([
      collect(),
      ...Array.from({ length: 5 }, async () => await repository.publish(ON_TESTING)),
      repository.rollback({ ...ON_TESTING, serial: 8 }),
      repository.promote({ ...ON_TESTING, channel: 'stable', force: true }),
    ]);
    expect(going(done)[0]).not.toEqual([]);
    expect(await inspectTree(installation)).toEqual([]);
  });

  it('lets a rollback go where it would have gone', async () => {
    await publishDaily(8);
    const { repository } = installation;
    await repository.rollback(ON_TESTING);
    await repository.rollback(ON_TESTING);
    clock.advance(300 * DAY);
    await collect();
    await repository.rollback(ON_TESTING);
    const shown = await repository.currentPublication('web', 'testing');
    const packages = await repository.packagesOfSnapshot(shown?.snapshotId ?? '');
    expect(packages.map(({ cpv }) => cpv)).toEqual(['app-misc/daily-5']);
  });
});

function publicationFile(serial: number, name: string): string {
  return join(folder, 'mirror-root/binhost/web/.publications', `testing-${serial}`, name);
}

/** From now on the least is kept, but for so many days of grace. */
async function strictest(graceDays: number): Promise<void> {
  await installation.close();
  installation = await openInstallation(
    folder,
    clock,
    keeping({
      keepLast: 1,
      daily: 0,
      weekly: 0,
      monthly: 0,
      reportedWithinMs: 0,
      graceMs: graceDays * DAY,
      packagesMs: 0,
    }),
  );
}

async function report(serial: number): Promise<void> {
  await installation.database
    .insertInto('node_reports')
    .values({
      node: 'pre1',
      profile: 'web',
      channel: 'testing',
      timestamp_seconds: 1,
      serial,
      reported_at: clock.now(),
      installed_count: 0,
      installed_json: '[]',
      checks_json: '[]',
      differs: 0,
      differences_json: '[]',
    })
    .execute();
}

/** As a copy of the package in another profile: the same file in the pool. */
async function shareWithOld(id: string): Promise<void> {
  const { database, folders } = installation;
  const row = await database
    .selectFrom('packages')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  await database
    .insertInto('packages')
    .values({ ...row, id: newId('pkg'), profile: 'old' })
    .execute();
  const target = join(folders.mirrorRoot, 'binhost/old/packages', row.path);
  await mkdir(join(target, '..'), { recursive: true });
  await link(join(folders.state, 'pool', row.sha512.slice(0, 2), row.sha512), target);
}
