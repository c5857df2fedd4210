import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { often } from '../support/long-tests.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();

describe('what changes PHP trees', () => {
  it('can be cut off before any step of it: no half tree, no smaller serial, and it can be done again', async () => {
    const program = resolve(import.meta.dirname, 'stop-php.ts');
    const every = String(often(1, 3));
    const command = [process.execPath, '--import', 'tsx', program, join(folder, 'stopped'), every];
    const { stdout } = await runChecked(command, { env: toolEnvironment(), timeoutMs: 300_000 });
    const { stops, faults } = z
      .object({ stops: z.record(z.string(), z.number()), faults: z.array(z.string()) })
      .parse(JSON.parse(stdout.toString()));

    expect(faults).toEqual([]);
    expect(Object.keys(stops)).toEqual(['import', 'build', 'rollback', 'remove']);
    expect(stops['import']).toBeGreaterThan(40);
    expect(Math.min(...Object.values(stops))).toBeGreaterThan(8);
  }, 310_000);
});
