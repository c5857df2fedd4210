import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import SqliteFile from 'better-sqlite3';
import { openDatabase } from '../../src/database/database.ts';
import * as schedule from '../../src/database/migrations/0011-schedule.ts';
import * as failures from '../../src/database/migrations/0012-failures.ts';
import * as packageTimes from '../../src/database/migrations/0021-package-times.ts';
import { systemClock } from '../../src/support/clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const OLD_TABLES = /^create (table|index) (build_times|measured_runs)/;

/** A database as it was before, with what each of the three tables knew. */
async function oldDatabase(path: string): Promise<void> {
  await (await openDatabase(path, systemClock)).destroy();
  const file = new SqliteFile(path);
  file.exec('drop table package_times');
  for (const statement of [...schedule.statements, ...failures.statements]) {
    if (OLD_TABLES.test(statement)) {
      file.exec(statement);
    }
  }
  file.prepare('delete from migrations where name = ?').run(packageTimes.name);
  file.exec(`
    insert into build_times values
      ('web', 'a/both', 'a', '[5,7,6]', 6, 100), ('web', 'b/timed', 'b', '[9]', 9, 200);
    insert into measured_runs values
      ('web', 'a/both', 4, 8, 2, 300, 400), ('web', 'plan', 2, 50, 3, 10, 0), ('web', 'c/limits', 1, 70, 4, 20, 30);
    insert into attempt_history
      (job_id, attempt, request_id, profile, kind, name, package, executor, agent, started_at, finished_at, outcome)
    values
      ('j1', 1, 'r', 'web', 'plan', 'plan', 'plan', 'portage', 'one', 1000, 1050, 'succeeded'),
      ('j2', 1, 'r', 'web', 'package', 'd/old-1', 'd/old', 'portage', 'one', 1000, 1030, 'succeeded'),
      ('j3', 1, 'r', 'web', 'package', 'd/old-1', 'd/old', 'portage', 'one', 2000, 2010, 'succeeded'),
      ('j4', 1, 'r', 'web', 'package', 'd/old-1', 'd/old', 'portage', 'one', 3000, 3020, 'succeeded'),
      ('j5', 1, 'r', 'web', 'package', 'd/old-1', 'd/old', 'portage', 'one', 4000, 4999, 'failed'),
      ('j6', 1, 'r', 'web', 'package', 'a/both-1', 'a/both', 'portage', 'one', 4000, 4999, 'succeeded');
  `);
  file.close();
}

it('what three tables knew of times is in one, and nothing of it is lost', async () => {
  const path = join(folder, 'old.sqlite');
  await oldDatabase(path);
  const database = await openDatabase(path, systemClock);
  const rows = await database.selectFrom('package_times').selectAll().orderBy('package').execute();
  const tables = await database.introspection.getTables();
  await database.destroy();
  const told = rows.map((row) => [
    row.package,
    row.category,
    row.recent_json,
    [row.typical_ms, row.measured_at, row.runs],
    [row.longest_ms, row.longest_silence_ms, row.largest_log_bytes, row.largest_disk_bytes],
  ]);
  expect(told).toEqual([
    ['a/both', 'a', '[5,7,6]', [6, 100, 4], [8, 2, 300, 400]],
    ['b/timed', 'b', '[9]', [9, 200, 0], [0, 0, 0, 0]],
    ['c/limits', '', '[]', [null, 0, 1], [70, 4, 20, 30]],
    ['d/old', 'd', '[30,10,20]', [20, 3020, 3], [30, 0, 0, 0]],
    ['plan', '', '[50]', [50, 1050, 2], [50, 3, 10, 0]],
  ]);
  const names = tables.map(({ name }) => name);
  expect(names).not.toEqual(expect.arrayContaining(['build_times']));
  expect(names).not.toEqual(expect.arrayContaining(['measured_runs']));
});
