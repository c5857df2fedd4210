import { once } from 'node:events';
import { readdir, readFile, stat } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { MAIN, requireFreshBuild } from '../support/rookery-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const PROJECT = resolve(import.meta.dirname, '../..');

const folder = temporaryFolder();
/** What V8 writes of the scripts that a process has loaded. */
const coverage = z.object({ result: z.array(z.object({ url: z.string() })) });

/** The modules that the sources start as threads, as paths below src without their ending. */
async function threads(): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of await readdir(join(PROJECT, 'src'), { recursive: true })) {
    if (name.endsWith('.ts')) {
      const text = await readFile(join(PROJECT, 'src', name), 'utf8');
      for (const [, module = ''] of text.matchAll(
        /\bstartThread\(\s*import\.meta\.url,\s*'([^']+)'/g,
      )) {
        found.push(join(dirname(name), module));
      }
    }
  }
  return found;
}

/** Loads a module in a thread; what it says of it. */
async function loadInThread(file: string): Promise<unknown> {
  const program = `import(${JSON.stringify(file)}).then(
    () => require('node:worker_threads').parentPort.postMessage('loaded'));`;
  const thread = new Worker(program, { eval: true, workerData: { pkgdir: '/nonexistent' } });
  try {
    const [said]: unknown[] = await once(thread, 'message');
    return said;
  } finally {
    await thread.terminate();
  }
}

describe('the built program', () => {
  it('has every thread where it looks for it, and each of them loads', async () => {
    await requireFreshBuild();
    const names = await threads();
    expect(names.length).toBeGreaterThanOrEqual(3);
    for (const name of names) {
      const said = await loadInThread(join(PROJECT, 'dist', `${name}.js`));
      expect([name, said]).toEqual([name, 'loaded']);
    }
  });

  it('needs no package beside it but those with machine code', async () => {
    await requireFreshBuild();
    const packages = new Set<string>();
    for (const name of await readdir(dirname(MAIN))) {
      if (name.endsWith('.js')) {
        const text = await readFile(join(dirname(MAIN), name), 'utf8');
        for (const [, wanted = ''] of text.matchAll(/^(?:import|\} from) .*?"([^".][^"]*)";$/gm)) {
          packages.add(wanted.split('/', 1)[0] ?? wanted);
        }
      }
    }
    expect([...packages].filter((name) => !isBuiltin(name)).toSorted()).toEqual([
      'better-sqlite3',
      'zstd-napi',
    ]);
  });

  it('loads no more for a command than that needs', async () => {
    await requireFreshBuild();
    const env = { ...toolEnvironment(), NODE_V8_COVERAGE: folder };
    await runChecked([process.execPath, MAIN, 'channel', '--help'], { env, timeoutMs: 30_000 });
    let loaded = 0;
    for (const name of await readdir(folder)) {
      const { result } = coverage.parse(JSON.parse(await readFile(join(folder, name), 'utf8')));
      for (const { url } of result.filter(({ url: from }) => from.startsWith('file:'))) {
        loaded += (await stat(fileURLToPath(url))).size;
      }
    }
    expect(loaded).toBeGreaterThan(100_000);
    // All commands with what they need are four times this.
    expect(loaded).toBeLessThan(600_000);
  });
});
