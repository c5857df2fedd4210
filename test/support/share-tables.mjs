import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Names the file with the tables of an empty database that the test files of this run share: the first one that needs a
 * database makes it (`test-database.ts`), as each migration takes a while. Gone when the run ends. Call it once the
 * folder for temporary files is settled.
 */
export function shareTables() {
  const path = join(tmpdir(), `rookery-tables-${process.pid}.sqlite`);
  process.env.ROOKERY_TEST_TABLES = path;
  process.on('exit', () => {
    rmSync(path, { force: true });
  });
}
