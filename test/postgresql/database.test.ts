import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { Client } from 'pg';
import { type Database, openDatabase } from '../../src/database/database.ts';
import { Journal } from '../../src/journal/journal.ts';
import { sleep } from '../../src/support/clock.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { serverUrl } from '../support/test-database.ts';

const clock = new ManualClock();
const NAME = `database_test_${process.pid}`;
const made: string[] = [];
let url: string;
let one: Database;
let other: Database;

async function onServer(statement: string): Promise<void> {
  const client = new Client({ connectionString: serverUrl('postgres') });
  await client.connect();
  await client.query(statement);
  await client.end();
}

async function newDatabase(suffix: string, how = ''): Promise<string> {
  const name = `${NAME}_${suffix}`;
  await onServer(`create database ${name} template template0 ${how}`);
  made.push(name);
  return serverUrl(name);
}

beforeAll(async () => {
  url = await newDatabase('main');
  // Two processes that start at the same moment: the tables are made once.
  [one, other] = await Promise.all([openDatabase(url, clock), openDatabase(url, clock)]);
});

afterAll(async () => {
  await one.destroy();
  await other.destroy();
  for (const name of made) {
    await onServer(`drop database ${name} with (force)`);
  }
});

function buildId(cpv: string, last_build_id: number) {
  return { profile: 'p', cpv, last_build_id };
}

async function increase(database: Database): Promise<void> {
  await database.transaction().execute(async (queries) => {
    const { last_build_id } = await queries
      .selectFrom('build_ids')
      .select('last_build_id')
      .where('cpv', '=', 'counted')
      .executeTakeFirstOrThrow();
    await queries
      .updateTable('build_ids')
      .set({ last_build_id: last_build_id + 1 })
      .where('cpv', '=', 'counted')
      .execute();
  });
}

describe('PostgreSQL', () => {
  it('is brought to the newest form once by two who open it together', async () => {
    const rows = await one.selectFrom('migrations').select('name').orderBy('name').execute();
    expect(rows.length).toBeGreaterThan(5);
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
  });

  it('gives numbers as numbers, and sorts texts by their bytes as SQLite does', async () => {
    const names = ['a/b-1', 'A/b-1', 'a/B-1', 'a_/b', 'a-/b', 'a+/b', 'ä/b', 'z/b', 'a/b-1_p1'];
    for (const [index, name] of names.entries()) {
      await one
        .insertInto('build_ids')
        .values(buildId(name, 2 ** 41 + index))
        .execute();
    }
    const rows = await one.selectFrom('build_ids').selectAll().orderBy('cpv').execute();
    const inBytes = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(rows.map(({ cpv }) => cpv)).toEqual(inBytes);
    expect(rows.find(({ cpv }) => cpv === 'a/b-1')?.last_build_id).toBe(2 ** 41);
    const { total, count } = await one
      .selectFrom('build_ids')
      .select((eb) => [
        eb.fn.sum<number>('last_build_id').as('total'),
        eb.fn.countAll<number>().as('count'),
      ])
      .executeTakeFirstOrThrow();
    expect([total, count]).toEqual([names.length * 2 ** 41 + 36, names.length]);
  });

  it('has every text of every table sorted by its bytes', async () => {
    const { rows } = await sql<{ readonly place: string }>`
      select table_name || '.' || column_name as place from information_schema.columns
      where table_schema = 'public' and data_type = 'text' and collation_name is distinct from 'C'`.execute(
      one,
    );
    expect(rows).toEqual([]);
  });

  it('undoes a transaction that fails, and the next one is not held up by it', async () => {
    const work = one.transaction().execute(async (queries) => {
      await queries.insertInto('build_ids').values(buildId('undone', 1)).execute();
      throw new Error('changed my mind');
    });
    await expect(work).rejects.toThrow('changed my mind');
    const broken = one.transaction().execute(async (queries) => {
      await sql`select no_such_column from build_ids`.execute(queries);
    });
    await expect(broken).rejects.toMatchObject({ code: '42703' });
    expect(
      await other.selectFrom('build_ids').selectAll().where('cpv', '=', 'undone').execute(),
    ).toEqual([]);
    await other.insertInto('build_ids').values(buildId('after', 1)).execute();
  });

  it('lets nothing be written between the reading and the writing of a transaction', async () => {
    await one.insertInto('build_ids').values(buildId('counted', 0)).execute();
    await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        await increase(index % 2 === 0 ? one : other);
      }),
    );
    expect(
      await one.selectFrom('build_ids').selectAll().where('cpv', '=', 'counted').execute(),
    ).toMatchObject([{ last_build_id: 40 }]);
  });

  it('shows events in the order of their numbers: who has read up to one has missed none', async () => {
    const journals = [new Journal(one, clock), new Journal(other, clock)];
    // Connections of its own: those who write have all of theirs in use.
    const reading = await openDatabase(url, clock);
    const reader = new Journal(reading, clock);
    const events = 100;
    const seen: number[] = [];
    const writing = Promise.all(
      Array.from({ length: events }, async (_, index) => {
        const database = index % 2 === 0 ? one : other;
        const event = { kind: 'told', subject: `s:${index}`, actor: 'a', data: {} };
        await database.transaction().execute(async (queries) => {
          await journals[index % 2]?.write(queries, event);
          // Without an order the later of two would often commit first.
          await sleep((index * 7) % 20);
        });
      }),
    );
    let isWriting = true;
    const ended = writing.finally(() => {
      isWriting = false;
    });
    for (let goesOn = true; goesOn; ) {
      const wasWriting = isWriting;
      const found = await reader.find({ limit: 5, after: seen.at(-1) ?? 0 });
      seen.push(...found.map(({ seq }) => seq));
      goesOn = wasWriting || found.length > 0;
      await sleep(1);
    }
    await ended;
    const all = await reader.find({ limit: 1000, after: 0 });
    await reading.destroy();
    expect(all).toHaveLength(events);
    expect(seen).toEqual(all.map(({ seq }) => seq));
  });

  it('goes on after its connections were broken', async () => {
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`.execute(other);
    const held = one.transaction().execute(async (queries) => {
      await queries.insertInto('build_ids').values(buildId('lost', 1)).execute();
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`.execute(other);
      await queries.insertInto('build_ids').values(buildId('lost too', 1)).execute();
    });
    await expect(held).rejects.toMatchObject({ code: 'database-unreachable' });
    const rows = await one.selectFrom('build_ids').select('cpv').execute();
    expect(rows.filter(({ cpv }) => cpv.startsWith('lost'))).toEqual([]);
    await one.insertInto('build_ids').values(buildId('kept', 1)).execute();
  });
});

describe('openDatabase on PostgreSQL', () => {
  it('refuses a newer one, another encoding, one that does not answer or is not there', async () => {
    const newer = await newDatabase('newer');
    const database = await openDatabase(newer, clock);
    await database.insertInto('migrations').values({ name: '9999-later', applied_at: 1 }).execute();
    await database.destroy();
    await expect(openDatabase(newer, clock)).rejects.toMatchObject({ code: 'database-too-new' });

    const latin = await newDatabase('latin', "encoding 'LATIN1' locale 'C' locale_provider libc");
    await expect(openDatabase(latin, clock)).rejects.toMatchObject({
      code: 'database-unfit',
      message: expect.stringContaining('its encoding is LATIN1'),
    });
    await onServer(`alter database ${NAME}_newer set synchronous_commit = off`);
    await expect(openDatabase(newer, clock)).rejects.toMatchObject({
      code: 'database-unfit',
      message: expect.stringContaining('synchronous_commit is off'),
    });

    const nobody = 'postgres://me:secret@127.0.0.1:1/farm';
    const unreachable = openDatabase(nobody, clock);
    await expect(unreachable).rejects.toMatchObject({ code: 'database-unreachable' });
    await expect(unreachable).rejects.not.toMatchObject({
      message: expect.stringContaining('secret'),
    });
    await expect(openDatabase(serverUrl('no_such'), clock)).rejects.toMatchObject({
      code: 'database-unusable',
      message: expect.stringContaining('no_such'),
    });
  });
});
