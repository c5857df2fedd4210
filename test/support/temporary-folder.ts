import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';

/**
 * A folder for the tests of one file, removed after the last of them. Call it outside of tests and hooks.
 *
 * @param options - `onDisk`: not in memory, where `memory-disk.mjs` has put the folders for temporary files
 */
export function temporaryFolder({ onDisk = false } = {}): string {
  const parent = onDisk ? (process.env['ROOKERY_TEST_DISK'] ?? tmpdir()) : tmpdir();
  const path = mkdtempSync(join(parent, 'rookery-test-'));
  afterAll(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}
