import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';

/** A folder for the tests of one file, removed after the last of them. Call it outside of tests and hooks. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'rookery-test-'));
  afterAll(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}
