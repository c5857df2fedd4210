import { rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { afterAll } from '@jest/globals';
import { newId } from '../../src/support/ids.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';

const MODULES = resolve(import.meta.dirname, '../../node_modules');

/**
 * The command of a program of the tests as one file, for those that are started often: it is there in half the time
 * that `--import tsx` takes for its two hundred modules. Call it outside of tests and hooks.
 *
 * As deep below the project as the sources, so that what they find beside themselves is found.
 */
export async function bundledProgram(path: string): Promise<readonly string[]> {
  const file = join(MODULES, '.cache', `${newId(basename(path, '.ts'))}.mjs`);
  afterAll(async () => {
    await rm(file, { force: true });
  });
  await runChecked(
    [
      join(MODULES, '.bin/esbuild'),
      path,
      '--bundle',
      '--platform=node',
      '--format=esm',
      '--packages=external',
      '--sourcemap=inline',
      '--log-level=error',
      `--outfile=${file}`,
    ],
    { env: toolEnvironment(), timeoutMs: 60_000 },
  );
  return [process.execPath, '--enable-source-maps', file];
}
