import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import SQLite from 'better-sqlite3';
import { openDatabase } from '../../src/database/database.ts';
import * as first from '../../src/database/migrations/0001-first.ts';
import { changeBlocks } from '../../src/repository/blocks/block.ts';
import { blocksOfSnapshot } from '../../src/repository/blocks/block-store.ts';
import { choicesOfSnapshot } from '../../src/repository/snapshot-store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const PACKAGES = 300;

/** A database as the version before made it: two snapshots, one of all packages, one of every third. */
function makeOld(path: string): void {
  const file = new SQLite(path);
  file.exec('create table migrations (name text primary key, applied_at bigint not null)');
  for (const statement of first.statements) {
    file.exec(statement.replaceAll('$identity', 'integer primary key autoincrement'));
  }
  file.prepare('insert into migrations values (?, 1)').run(first.name);
  const insert = file.prepare(`insert into packages (id, profile, category, pn, cpv, slot, build_id,
    path, size, md5, sha1, sha512, mtime_seconds, build_time_seconds, upload_sha512,
    key_fingerprint, origin, metadata_json, stanza, imported_at)
    values (@id, 'web', 'cat', @pn, @cpv, '0', 1, @id, 1, '', '', '', 1, 1, @id, '', '', '{}', '', 1)`);
  for (const id of ['all', 'some', 'none']) {
    file.prepare(`insert into snapshots values (?, 'web', 1, '', '', '', 0)`).run(id);
  }
  const member = file.prepare('insert into snapshot_packages values (?, ?)');
  for (let number = 0; number < PACKAGES; number += 1) {
    const id = `pkg-${number}`;
    insert.run({ id, pn: `name${number}`, cpv: `cat/name${number}-1.${number % 10}` });
    member.run('all', id);
    if (number % 3 === 0) {
      member.run('some', id);
    }
  }
  file.close();
}

it('snapshots of the version before become the blocks that they would be made of now', async () => {
  const path = join(folder, 'old.sqlite');
  makeOld(path);
  const database = await openDatabase(path, new ManualClock());
  try {
    for (const [id, count] of [
      ['all', PACKAGES],
      ['some', PACKAGES / 3],
      ['none', 0],
    ] as const) {
      const choices = await choicesOfSnapshot(database, id);
      const anew = await changeBlocks([], { removed: [], added: choices }, async () => []);
      expect(choices).toHaveLength(count);
      expect(await blocksOfSnapshot(database, id)).toEqual(anew.blocks);
    }
  } finally {
    await database.destroy();
  }
});
