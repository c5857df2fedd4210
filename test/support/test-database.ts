import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Client } from 'pg';
import { type Database, openDatabase } from '../../src/database/database.ts';
import { removeDatabase } from '../../src/database/replace-database.ts';
import { type Clock, systemClock } from '../../src/support/clock.ts';
import { newId } from '../../src/support/ids.ts';

/** Whether this run of the test file is the one on PostgreSQL: see jest.config.mjs. */
export const IS_POSTGRESQL = Reflect.get(globalThis, 'rookeryEngine') === 'postgresql';

const OF_WORKER = `t${process.env['JEST_WORKER_ID'] ?? '0'}_`;
const OF_FILE = `${OF_WORKER}${digest(newId('file'))}_`;
let isTidy = false;

/** How often to try: a statement takes a hundred times as long there as in SQLite, and the rules are the same. */
export function rounds(count: number): number {
  return IS_POSTGRESQL ? Math.ceil(count / 10) : count;
}

/** Opens the database that stands for this path, on the engine of the run: the file itself, or one that is named by it. */
export async function openTestDatabase(path: string, clock: Clock): Promise<Database> {
  return await openDatabase(await testPlace(path), clock);
}

/** Where the database of this path is, as `openDatabase` takes it. A new one has all tables already. */
export async function testPlace(path: string): Promise<string> {
  if (!IS_POSTGRESQL) {
    await placeTables(path);
    return path;
  }
  const name = nameOf(path);
  await onServer(async (client) => {
    await tidyUp(client);
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (rowCount === 0) {
      await client.query(`create database "${name}" template template_tables`);
    }
  });
  return serverUrl(name);
}

/** The database of this path, which nobody has open, is gone. */
export async function loseTestDatabase(path: string): Promise<void> {
  if (IS_POSTGRESQL) {
    await onServer(async (client) => {
      await client.query(`drop database if exists "${nameOf(path)}"`);
    });
  } else {
    await removeDatabase(path);
  }
}

/** Keeps the database of this path as it is now, while nobody has it open. The returned function puts that back. */
export async function copyTestDatabase(path: string): Promise<() => Promise<void>> {
  const kept = `${path}.kept`;
  if (!IS_POSTGRESQL) {
    await copyFile(path, kept);
    return async () => {
      await removeDatabase(path);
      await rename(kept, path);
      await rm(kept, { force: true });
    };
  }
  const [name, copy] = [nameOf(path), nameOf(kept)];
  await onServer(async (client) => {
    await client.query(`create database "${copy}" template "${name}"`);
  });
  return async () => {
    await onServer(async (client) => {
      await client.query(`drop database "${name}"`);
      await client.query(`alter database "${copy}" rename to "${name}"`);
    });
  };
}

/**
 * Puts a copy of the empty database that test files share where there is none yet (`share-tables.mjs`). Of several that
 * make it at once, one stays. Programs that tests start do not know of it: they make their tables themselves.
 */
async function placeTables(path: string): Promise<void> {
  const shared = process.env['ROOKERY_TEST_TABLES'];
  if (shared === undefined || existsSync(path)) {
    return;
  }
  if (!existsSync(shared)) {
    const own = `${shared}.${newId('tables')}`;
    await (await openDatabase(own, systemClock)).destroy();
    await rename(own, shared);
  }
  await mkdir(dirname(path), { recursive: true });
  await copyFile(shared, path);
}

/** The URL of a database of the server of this run. */
export function serverUrl(database: string): string {
  return (process.env['ROOKERY_TEST_POSTGRESQL'] ?? '').replace('DATABASE', database);
}

/** Empty databases of this test file. Drop them after the last test. */
export function newServerDatabase(): {
  make(name: string, how?: string): Promise<string>;
  drop(): Promise<void>;
} {
  const made: string[] = [];
  return {
    make: async (name, how = '') => {
      const full = `own_${digest(newId('database')).slice(0, 8)}_${name}`;
      await onServer(async (client) => {
        await client.query(`create database "${full}" template template0 ${how}`);
      });
      made.push(full);
      return serverUrl(full);
    },
    drop: async () => {
      await onServer(async (client) => {
        for (const name of made) {
          await client.query(`drop database "${name}" with (force)`);
        }
      });
    },
  };
}

/** Drops what an earlier test file of this worker has left. */
async function tidyUp(client: Client): Promise<void> {
  if (isTidy) {
    return;
  }
  isTidy = true;
  const { rows } = await client.query<{ readonly datname: string }>(
    'select datname from pg_database where starts_with(datname, $1)',
    [OF_WORKER],
  );
  for (const { datname } of rows) {
    await client.query(`drop database "${datname}" with (force)`);
  }
}

function nameOf(path: string): string {
  return OF_FILE + digest(path);
}

async function onServer(work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: serverUrl('postgres') });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 20);
}
