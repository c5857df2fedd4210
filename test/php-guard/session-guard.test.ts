import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { run, toolEnvironment } from '../../src/support/processes.ts';
import { startMemcached } from '../support/memcached.ts';
import { freePort } from '../support/rookery-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const PHP = '/usr/bin/php8.2';
const EXTENSIONS = '/usr/lib/php/20220829';
const CASES = resolve(import.meta.dirname, 'cases.php');
const SHIPPED = resolve(import.meta.dirname, '../../scripts/php');

const folder = temporaryFolder();
const isThere = existsSync(PHP) && existsSync(join(EXTENSIONS, 'pdo_sqlite.so'));
const hasMemcached =
  existsSync('/usr/bin/memcached') && existsSync(join(EXTENSIONS, 'memcached.so'));

interface Request {
  readonly do: string;
  readonly farm?: string;
  readonly version?: number;
  /** `race`: the version of the other request, and whether it only looks. */
  readonly other?: number;
  readonly reads?: boolean;
}

interface Played {
  /** What each request found in the session, or why it did not get it. */
  readonly found: readonly (number | string | null)[];
  /** Of the sessions in the database. */
  readonly versions: readonly number[];
}

/** Plays requests to an application with the guard, by hand: it counts in its session. */
async function play(requests: readonly Request[], database = 'sqlite::memory:'): Promise<Played> {
  const { exitCode, stdout, stderr } = await run([PHP, CASES, SHIPPED, database], {
    env: toolEnvironment(),
    input: Buffer.from(JSON.stringify(requests)),
  });
  if (exitCode !== 0 || stderr !== '') {
    throw new Error(`php ended with ${exitCode}: ${stdout.toString()}${stderr}`);
  }
  return JSON.parse(stdout.toString());
}

const [ONE, TWO] = [{ version: 1 }, { version: 2 }] as const;

(isThere ? describe : describe.skip)('the guard (needs php8.2-cli, php8.2-sqlite3)', () => {
  it('refuses a session that a newer version has changed', async () => {
    const { found, versions } = await play([
      { do: 'count', ...ONE },
      { do: 'count', ...TWO },
      { do: 'count', ...ONE },
      { do: 'look', ...ONE },
      { do: 'count', ...TWO },
    ]);
    expect(found).toEqual([1, 2, 'newer: 2 > 1', 'newer: 2 > 1', 3]);
    expect(versions).toEqual([2]);
  });

  it('refuses a session that a newer version has only shown', async () => {
    const { found, versions } = await play([
      { do: 'count', ...ONE },
      { do: 'look', ...TWO },
      { do: 'count', ...ONE },
    ]);
    expect(found).toEqual([1, 1, 'newer: 2 > 1']);
    expect(versions).toEqual([2]);
  });

  it('marks a session that begins, and is empty, with the newer version', async () => {
    const { found, versions } = await play([
      { do: 'look', ...TWO },
      { do: 'look', ...ONE },
    ]);
    expect([found, versions]).toEqual([[null, 'newer: 2 > 1'], [2]]);
  });

  it('does not store what an older version has read before the newer one came', async () => {
    for (const reads of [true, false]) {
      const { found, versions } = await play([
        { do: 'count', ...ONE },
        { do: 'race', ...ONE, other: 2, reads },
      ]);
      expect([found, versions]).toEqual([[1, 'newer: 2 > 1'], [2]]);
    }
  });

  it('tells the slower of two requests that change the same session', async () => {
    const { found } = await play([
      { do: 'count' },
      { do: 'race', other: 1 },
      { do: 'count' },
      { do: 'count' },
    ]);
    expect(found).toEqual([1, 'changed', 71, 72]);
  });

  it('tells the slower of two requests that begin the same session', async () => {
    expect((await play([{ do: 'race', other: 1 }, { do: 'count' }])).found).toEqual([
      'changed',
      71,
    ]);
  });

  it('goes on from the database when the copy of a farm is older', async () => {
    const { found } = await play([
      { do: 'count', farm: 'web1' },
      { do: 'count', farm: 'web2' },
      { do: 'count', farm: 'web2' },
      { do: 'count', farm: 'web1' },
      { do: 'stale-copy', farm: 'web1' },
      { do: 'count', farm: 'web1' },
    ]);
    expect(found).toEqual([1, 2, 3, 4, 5]);
  });

  it('loads again what was given back to an older version, not the copy of the newer one', async () => {
    const { found } = await play([
      { do: 'count', ...ONE },
      { do: 'newer-copy' },
      { do: 'count', ...ONE },
    ]);
    expect(found).toEqual([1, 2]);
    // An administrator gives the sessions back; the newer version's copy is still there.
    const taken = await play([
      { do: 'count', ...ONE },
      { do: 'count', ...TWO },
      { do: 'count', ...ONE },
      { do: 'lower-mark' },
      { do: 'count', ...ONE },
    ]);
    expect(taken.found).toEqual([1, 2, 'newer: 2 > 1', 3]);
  });

  it('does without a copy, and does not bring back a destroyed session from one', async () => {
    const { found, versions } = await play([
      { do: 'count', farm: 'web1' },
      { do: 'forget-copy', farm: 'web1' },
      { do: 'count', farm: 'web1' },
      { do: 'destroy', farm: 'web2' },
      { do: 'count', farm: 'web1' },
    ]);
    expect([found, versions]).toEqual([[1, 2, 2, 1], [1]]);
  });

  it('does not take a copy of a session that was destroyed and begun anew elsewhere', async () => {
    const { found } = await play([
      { do: 'count', farm: 'web1' },
      { do: 'count', farm: 'web1' },
      { do: 'count', farm: 'web1' },
      { do: 'destroy', farm: 'web2' },
      { do: 'count', farm: 'web2' },
      { do: 'count', farm: 'web1' },
    ]);
    expect(found).toEqual([1, 2, 3, 3, 1, 2]);
  });

  it('keeps the version when the session gets another id', async () => {
    const { found, versions } = await play([
      { do: 'count', ...TWO },
      { do: 'regenerate', ...TWO },
      { do: 'count', ...ONE },
      { do: 'count', ...TWO },
    ]);
    expect(found).toEqual([1, 1, 'newer: 2 > 1', 2]);
    expect(versions).toEqual([2]);
  });

  (hasMemcached ? it : it.skip)('works with a real memcached, and without it', async () => {
    const port = await freePort();
    const memcached = await startMemcached('127.0.0.1', port);
    const database = `sqlite:${join(folder, 'sessions')}`;
    const farm = `127.0.0.1:${port}`;
    try {
      const { found } = await play(
        [
          { do: 'count', farm },
          { do: 'count', farm },
          { do: 'count', farm: 'web2' },
          { do: 'count', farm },
          { do: 'stale-copy', farm },
          { do: 'count', farm },
          { do: 'count', farm, ...TWO },
          { do: 'count', farm },
        ],
        database,
      );
      expect(found).toEqual([1, 2, 3, 4, 5, 6, 'newer: 2 > 1']);
      expect(await memcached.statistic('get_hits')).toBeGreaterThan(2);
    } finally {
      await memcached.stop();
    }
    expect((await play([{ do: 'count', farm, ...TWO }], database)).found).toEqual([7]);
  });
});
