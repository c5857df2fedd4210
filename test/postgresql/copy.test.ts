import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { Tokens } from '../../src/access/tokens.ts';
import { copyDatabase } from '../../src/database/copy-between.ts';
import { openDatabase } from '../../src/database/database.ts';
import { Journal } from '../../src/journal/journal.ts';
import { inspectTree } from '../repository/inspect-tree.ts';
import { makePackage } from '../repository/make-package.ts';
import { DEED, openInstallation, push } from '../repository/open-installation.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { newServerDatabase } from '../support/test-database.ts';

const folder = temporaryFolder();
const clock = new ManualClock();
const sqlite = join(folder, 'farm.sqlite');
const databases = newServerDatabase();
const onTesting = { ...DEED, profile: 'web', channel: 'testing' };

function job(id: string, position: number) {
  return {
    id,
    request_id: 'r',
    kind: 'package' as const,
    position,
    name: `a/b-${position}`,
    executor: 'portage',
    spec_json: '{}',
    state: 'waiting',
    reason: position === 9 ? 'a\0b' : null,
    attempt: 0,
    agent: null,
    lease_expires_at: null,
    created_at: 1,
    started_at: null,
    finished_at: null,
    package_id: null,
    collected_package_id: null,
    not_before: null,
    inputs: null,
    lane: null,
    turn: null,
    estimate_ms: null,
    estimate_source: null,
    is_held: 0,
  };
}

/** A farm with rows of many kinds: packages, publications, requests with jobs, tokens, a journal. */
beforeAll(async () => {
  const database = await openDatabase(sqlite, clock);
  const journal = new Journal(database, clock);
  const tokens = new Tokens(database, journal, clock);
  for (let index = 0; index < 30; index += 1) {
    await tokens.create(`token-${index}`, 'admin', 'server', `secret-${index}`);
  }
  await tokens.revoke('token-3', 'token:"quoted" \\ ä\n🐧');
  await database
    .insertInto('requests')
    .values({
      id: 'r',
      profile: 'web',
      atoms_json: '["a/b"]',
      rebuild: 1,
      publish_channel: null,
      publish_forced: 0,
      publish_reason: '',
      publish_partial: 0,
      publish_not_over: null,
      state: 'running',
      reason: null,
      author: 'me',
      created_at: 2 ** 45,
      finished_at: null,
      profile_json: '{}',
      plan_json: null,
      cancelled_by: null,
      retry_blocked: 0,
      resolve_json: '[]',
      priority: 0,
      paused_at: null,
      paused_by: null,
      pause_reason: null,
    })
    .execute();
  // More than go in one statement, and in an order that no key has.
  const jobs = Array.from({ length: 1203 }, (_, index) => job(`job-${(index * 7) % 1203}`, index));
  for (let start = 0; start < jobs.length; start += 400) {
    await database
      .insertInto('jobs')
      .values(jobs.slice(start, start + 400))
      .execute();
  }
  await database
    .insertInto('job_needs')
    .values({ job_id: 'job-1', needs_job_id: 'job-2' })
    .execute();
  await database.destroy();
});

afterAll(async () => {
  await databases.drop();
});

it('copies a farm to PostgreSQL and back, every row the same, and it goes on there', async () => {
  const url = await databases.make('there');
  const back = join(folder, 'back.sqlite');
  const steps: string[] = [];
  const there = await copyDatabase({ from: sqlite, to: url }, clock, ({ stage, done, total }) => {
    steps.push(`${stage} ${done}/${total}`);
  });
  expect(there.tables.find(({ table }) => table === 'jobs')?.rows).toBe(1203);
  expect(there.rows).toBe(1203 + 1 + 1 + 30 + 31);
  expect(steps[0]).toBe(`copying 0/${there.rows}`);
  expect(steps.at(-1)).toBe(`checking ${there.rows}/${there.rows}`);

  const andBack = await copyDatabase({ from: url, to: back }, clock, () => undefined);
  expect(andBack.tables.toSorted((a, b) => (a.table < b.table ? -1 : 1))).toEqual(
    there.tables.toSorted((a, b) => (a.table < b.table ? -1 : 1)),
  );

  for (const place of [url, back]) {
    const database = await openDatabase(place, clock);
    const withNul = database.selectFrom('jobs').select('reason').where('position', '=', 9);
    expect(await withNul.execute()).toEqual([{ reason: 'a\uFFFDb' }]);
    const journal = new Journal(database, clock);
    const [newest] = await journal.latest(1);
    const next = await journal.record({ kind: 'told', subject: 's', actor: 'a', data: {} });
    expect(next.seq).toBe((newest?.seq ?? 0) + 1);
    const tokens = new Tokens(database, journal, clock);
    expect(await tokens.identify('secret-7')).toMatchObject({ name: 'token-7' });
    expect(await tokens.identify('secret-3')).toBeUndefined();
    await database.destroy();
  }
});

it('takes along packages and publications, which are then published from there', async () => {
  const own = join(folder, 'installation');
  const installation = await openInstallation(own, clock);
  for (const cpv of ['app-misc/a-1', 'app-misc/b-2']) {
    await push(installation.repository, await makePackage(folder, cpv));
  }
  await installation.repository.publish(onTesting);
  const before = await installation.repository.currentPublication('web', 'testing');
  await installation.close();
  const url = await databases.make('installation');
  // This run's own installations are in PostgreSQL already: from one such database to another.
  await copyDatabase({ from: installation.place, to: url }, clock, () => undefined);

  const moved = await openInstallation(own, clock, { place: url });
  try {
    expect(await moved.repository.currentPublication('web', 'testing')).toEqual(before);
    await push(moved.repository, await makePackage(folder, 'app-misc/a-3'));
    expect(await moved.repository.publish(onTesting)).toMatchObject({ serial: 2, packageCount: 2 });
    expect(await inspectTree(moved)).toEqual([]);
  } finally {
    await moved.close();
  }
});

it('refuses a target with rows, a source that is not there, and whatever a server holds', async () => {
  const url = await databases.make('full');
  await copyDatabase({ from: sqlite, to: url }, clock, () => undefined);
  const copy = async (from: string, to: string): Promise<unknown> =>
    await copyDatabase({ from, to }, clock, () => undefined);
  await expect(copy(sqlite, url)).rejects.toMatchObject({
    code: 'database-not-empty',
    details: { table: expect.stringMatching(/^[a-z_]+$/) },
  });
  const nowhere = join(folder, 'nowhere.sqlite');
  await expect(copy(nowhere, url)).rejects.toMatchObject({ code: 'database-missing' });
  expect(existsSync(nowhere)).toBe(false);
  const holder = await openDatabase(sqlite, clock);
  await expect(copy(sqlite, await databases.make('other'))).rejects.toMatchObject({
    code: 'database-locked',
  });
  await holder.destroy();
});

it('leaves the target empty when what it wrote is not what it read', async () => {
  const url = await databases.make('changing');
  const database = await openDatabase(url, clock);
  await sql`create function spoil() returns trigger language plpgsql as
    $$ begin new.reason := 'spoilt'; return new; end $$`.execute(database);
  await sql`create trigger spoil before insert on jobs for each row
    when (new.id = 'job-77') execute function spoil()`.execute(database);
  await database.destroy();
  await expect(
    copyDatabase({ from: sqlite, to: url }, clock, () => undefined),
  ).rejects.toMatchObject({ code: 'database-copy-differs', details: { table: 'jobs' } });
  const after = await openDatabase(url, clock);
  expect(await after.selectFrom('tokens').selectAll().execute()).toEqual([]);
  expect(await after.selectFrom('jobs').selectAll().execute()).toEqual([]);
  await after.destroy();
});
