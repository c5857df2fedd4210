import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from '@jest/globals';
import { MAIN, requireFreshBuild } from '../support/rookery-process.ts';

const PROJECT = resolve(import.meta.dirname, '../..');

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
});
