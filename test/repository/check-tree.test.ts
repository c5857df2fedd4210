import { link, lstat, mkdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { exists } from '../../src/support/files.ts';
import {
  check,
  closeAfterEach,
  copyOf,
  DEEP,
  SHALLOW,
  shown,
  shownFile,
  withPackages,
} from './checked-installation.ts';
import { inspectTree } from './inspect-tree.ts';

import { DEED } from './open-installation.ts';

closeAfterEach();

describe('any check', () => {
  it('puts right what a copy without links and times has made of a tree', async () => {
    const installation = await withPackages('app-misc/one-1', 'app-misc/two-1', 'app-misc/three-1');
    const [one, two, three] = installation.made;
    if (one === undefined || two === undefined || three === undefined) {
      throw new Error('no package');
    }
    for (const { path } of [one, three].map((made) => ({ path: shownFile(installation, made) }))) {
      await rename(await copyOf(path), path);
    }
    await utimes(shownFile(installation, three), three.mtimeSeconds, three.mtimeSeconds);
    await utimes(shownFile(installation, two), 5, 5);

    const report = await check(installation, SHALLOW);

    expect(shown(report).toSorted()).toEqual([
      `file-not-linked repaired package:web/${three.path}`,
      `file-time repaired package:web/${one.path}`,
      `file-time repaired package:web/${two.path}`,
      `file-time repaired pool:${two.sha512}`,
    ]);
    expect(await inspectTree(installation)).toEqual([]);
  });

  it('reports files that nobody refers to, broken publications and channels, and leaves them', async () => {
    const installation = await withPackages('app-misc/one-1');
    await installation.repository.publish({ ...DEED, profile: 'web', channel: 'testing' });
    await installation.repository.publish({ ...DEED, profile: 'web', channel: 'testing' });
    const [one] = installation.made;
    if (one === undefined) {
      throw new Error('no package');
    }
    const binhost = join(installation.folders.mirrorRoot, 'binhost', 'web');
    const stray = join(binhost, 'packages', 'app-misc', 'one', 'one-1-9.gpkg.tar');
    await link(shownFile(installation, one), stray);
    const pooled = join(installation.folders.state, 'pool', 'ab', 'abc');
    await mkdir(join(pooled, '..'), { recursive: true });
    await writeFile(pooled, 'what is this');
    await mkdir(join(binhost, '.publications', 'testing-77'));
    await rm(join(binhost, '.publications', 'testing-1'), { recursive: true });
    const index = join(binhost, '.publications', 'testing-2', 'Packages');
    const text = (await readFile(index, 'utf8')).replace('PATH', 'PAHT');
    const { mtime } = await lstat(index);
    for (const [name, bytes] of [
      ['', text],
      ['.gz', gzipSync(text)],
    ] as const) {
      await writeFile(index + name, bytes);
      await utimes(index + name, mtime, mtime);
    }
    await rm(join(binhost, '.publications', 'testing-3', 'app-misc'));
    await rm(join(binhost, 'testing'));

    const report = await check(installation, SHALLOW);

    expect(shown(report)).toEqual([
      'publication-missing reported publication:web/testing-1',
      'publication-damaged reported publication:web/testing-2',
      'publication-damaged reported publication:web/testing-3',
      'channel-misplaced reported channel:web/testing',
      'file-unknown reported pool:abc',
      'file-unknown reported package:web/app-misc/one/one-1-9.gpkg.tar',
      'file-unknown reported publication:web/testing-77',
    ]);
    expect(report.findings[1]?.message).toBe('Its index has other entries than its packages.');
    expect(report.counts).toMatchObject({ 'file-unknown': 3, 'publication-damaged': 2 });
    expect([await exists(stray), await exists(pooled)]).toEqual([true, true]);
  });

  it('runs one at a time', async () => {
    const installation = await withPackages('app-misc/one-1');
    await installation.check.begin(DEEP, 'token:admin');
    await expect(installation.check.begin(SHALLOW, 'token:admin')).rejects.toMatchObject({
      code: 'check-running',
    });
  });
});
