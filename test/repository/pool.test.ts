import { lstat, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Pool } from '../../src/repository/pool.ts';
import { digestOf } from '../../src/support/digests.ts';
import { exists, namesIn } from '../../src/support/files.ts';
import { newId } from '../../src/support/ids.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const OTHER_FILE_SYSTEM = '/dev/shm';
const isElsewhere =
  (await exists(OTHER_FILE_SYSTEM)) &&
  (await stat(OTHER_FILE_SYSTEM)).dev !== (await stat(folder)).dev;

async function adopted(text: string): Promise<{ readonly pool: Pool; readonly sha512: string }> {
  const pool = new Pool(join(folder, newId('pool')));
  const temporary = join(folder, newId('file'));
  await writeFile(temporary, text, { mode: 0o600 });
  const sha512 = digestOf('sha512', text);
  await pool.adopt(temporary, { sha512, mtimeSeconds: 1_700_000_000 });
  expect(await exists(temporary)).toBe(false);
  return { pool, sha512 };
}

describe('the pool', () => {
  it('keeps a file under its digest, readable for servers, with its time', async () => {
    const { pool, sha512 } = await adopted('text');
    const path = pool.pathOf(sha512);
    expect(path.endsWith(`/${sha512.slice(0, 2)}/${sha512}`)).toBe(true);
    const { mode, mtimeMs } = await lstat(path);
    expect([mode & 0o777, mtimeMs]).toEqual([0o644, 1_700_000_000_000]);
    expect(() => pool.pathOf('../x')).toThrow('not a SHA-512');
  });

  it('shows it as a hard link, and never over something else', async () => {
    const { pool, sha512 } = await adopted('text');
    const path = join(folder, newId('shown'), 'deep', 'er');
    await pool.place(sha512, path);
    expect((await lstat(path)).ino).toBe((await lstat(pool.pathOf(sha512))).ino);
    const taken = join(folder, newId('taken'));
    await writeFile(taken, 'mine');
    await expect(pool.place(sha512, taken)).rejects.toMatchObject({ code: 'package-path-taken' });
    expect(await readFile(taken, 'utf8')).toBe('mine');
  });

  const onAnother = isElsewhere ? it : it.skip;
  const where = isElsewhere ? '' : ' (skipped: /dev/shm is no file system of its own here)';
  onAnother(`shows it as a copy on another file system${where}`, async () => {
    const { pool, sha512 } = await adopted('text');
    const elsewhere = await mkdtemp(join(OTHER_FILE_SYSTEM, 'rookery-test-'));
    try {
      const path = join(elsewhere, 'packages', 'file');
      await pool.place(sha512, path);
      expect(await readFile(path, 'utf8')).toBe('text');
      expect((await lstat(path)).mtimeMs).toBe(1_700_000_000_000);
      await expect(pool.place(sha512, path)).rejects.toMatchObject({ code: 'package-path-taken' });
      expect(await namesIn(join(elsewhere, 'packages'))).toEqual(['file']);
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });
});
