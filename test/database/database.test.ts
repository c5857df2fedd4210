import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import SQLite from 'better-sqlite3';
import { openDatabase } from '../../src/database/database.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const clock = new ManualClock();

describe('openDatabase', () => {
  it('makes the tables once and keeps rows over a reopening', async () => {
    const path = join(folder, 'deep', 'rookery.sqlite');
    const first = await openDatabase(path, clock);
    await first
      .insertInto('tokens')
      .values({ name: 't', role: 'admin', digest: 'd', created_at: 2 ** 41, revoked_at: null })
      .execute();
    await first.destroy();

    const second = await openDatabase(path, clock);
    expect(await second.selectFrom('tokens').selectAll().execute()).toEqual([
      { name: 't', role: 'admin', digest: 'd', created_at: 2 ** 41, revoked_at: null },
    ]);
    expect(await second.selectFrom('migrations').selectAll().execute()).toEqual(
      expect.arrayContaining([{ name: '0001-first', applied_at: clock.now() }]),
    );
    await second.destroy();
  });

  it('undoes a transaction that fails', async () => {
    const db = await openDatabase(join(folder, 'undo.sqlite'), clock);
    const work = db.transaction().execute(async (queries) => {
      await queries
        .insertInto('build_ids')
        .values({ profile: 'p', cpv: 'a/b-1', last_build_id: 1 })
        .execute();
      throw new Error('changed my mind');
    });
    await expect(work).rejects.toThrow('changed my mind');
    expect(await db.selectFrom('build_ids').selectAll().execute()).toEqual([]);
    await db.destroy();
  });

  it('refuses a reference to a row that does not exist', async () => {
    const db = await openDatabase(join(folder, 'references.sqlite'), clock);
    const orphan = db.insertInto('job_needs').values({ job_id: 'x', needs_job_id: 'y' }).execute();
    await expect(orphan).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT_FOREIGNKEY' });
    await db.destroy();
  });

  it('is held by one at a time', async () => {
    const path = join(folder, 'held.sqlite');
    const holder = await openDatabase(path, clock);
    await expect(openDatabase(path, clock)).rejects.toMatchObject({ code: 'database-locked' });
    await holder.destroy();
    await (await openDatabase(path, clock)).destroy();
  });

  it('refuses the tables of a newer version, and a file that is no database', async () => {
    const newer = join(folder, 'newer.sqlite');
    const db = await openDatabase(newer, clock);
    await db.insertInto('migrations').values({ name: '9999-later', applied_at: 1 }).execute();
    await db.destroy();
    await expect(openDatabase(newer, clock)).rejects.toMatchObject({
      code: 'database-too-new',
      message: expect.stringContaining('9999-later'),
    });

    const other = join(folder, 'other.sqlite');
    const { writeFile } = await import('node:fs/promises');
    await writeFile(other, 'this is a text, and a long one, not a database at all\n'.repeat(100));
    await expect(openDatabase(other, clock)).rejects.toMatchObject({ code: 'database-unusable' });
  });

  it('has every commit on disk: full sync, write-ahead log', async () => {
    const path = join(folder, 'pragmas.sqlite');
    await (await openDatabase(path, clock)).destroy();
    const plain = new SQLite(path);
    expect(plain.pragma('journal_mode', { simple: true })).toBe('wal');
    plain.close();
  });
});
