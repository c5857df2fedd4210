import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { watchFiles } from '../../src/support/watch.ts';
import { poll } from './poll.ts';
import { temporaryFolder } from './temporary-folder.ts';

const folder = temporaryFolder();

it('reports files that were there, that are written and that are renamed into place, but no hidden ones', async () => {
  await mkdir(join(folder, 'p'));
  await writeFile(join(folder, 'p', 'early'), 'x');
  const seen = new Set<string>();
  const watcher = watchFiles({
    folder,
    quietMs: 50,
    onFile: (path) => seen.add(path.slice(folder.length + 1)),
    onError: (error) => {
      throw error;
    },
  });
  await watcher.start();
  try {
    await writeFile(join(folder, 'p', '.hidden'), 'x');
    await writeFile(join(folder, 'p', 'written'), 'x');
    await writeFile(join(folder, 'p', '.tmp'), 'x');
    await rename(join(folder, 'p', '.tmp'), join(folder, 'p', 'renamed'));
    await poll('three files', () => (seen.size >= 3 ? true : undefined));
    expect([...seen].toSorted()).toEqual(['p/early', 'p/renamed', 'p/written']);
  } finally {
    await watcher.stop();
  }
});
