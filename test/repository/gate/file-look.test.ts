import { lstatSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { FileLook } from '../../../src/repository/gate/file-look.ts';
import { formatFiles } from '../../../src/repository/gate/look-at-file.ts';
import { poll } from '../../support/poll.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const folder = temporaryFolder();

/** Files as they are now, and what is told to be known of them. */
function makeFiles(...names: readonly string[]): string {
  return formatFiles(
    names.map((name) => {
      const path = join(folder, name);
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, name);
      const { size, mtimeMs } = lstatSync(path);
      return { path: name, size, mtimeSeconds: Math.floor(mtimeMs / 1000) };
    }),
  );
}

describe('the look at many files', () => {
  it('finds those that are gone, or not what they were, and no other', async () => {
    const look = new FileLook();
    const first = makeFiles('a/good', 'a/gone', 'b/longer', 'b/older');
    const second = makeFiles('c/good too', 'c/link', 'd/below', 'e/good');
    rmSync(join(folder, 'a/gone'));
    writeFileSync(join(folder, 'b/longer'), 'b/longer!');
    utimesSync(join(folder, 'b/older'), 5, 5);
    rmSync(join(folder, 'c/link'));
    symlinkSync('good too', join(folder, 'c/link'));
    rmSync(join(folder, 'd'), { recursive: true });
    writeFileSync(join(folder, 'd'), '');
    expect(await look.odd(folder, [first, '', second])).toEqual([
      { list: 0, line: 1 },
      { list: 0, line: 2 },
      { list: 0, line: 3 },
      { list: 2, line: 1 },
      { list: 2, line: 2 },
    ]);
  });

  it('answers each of several questions at once', async () => {
    const look = new FileLook();
    const good = makeFiles('f/one');
    const odd = '1 1 f/none';
    const asked = [[odd, good], [good], [good, odd], []].map(
      async (lists) => await look.odd(folder, lists),
    );
    expect(await Promise.all(asked)).toEqual([
      [{ list: 0, line: 0 }],
      [],
      [{ list: 1, line: 0 }],
      [],
    ]);
  });

  it('ends its thread when nobody has asked for a while, and begins again', async () => {
    const look = new FileLook(10);
    expect(look.isRunning).toBe(false);
    for (const _ of [1, 2]) {
      expect(await look.odd(folder, ['1 1 none'])).toHaveLength(1);
      expect(look.isRunning).toBe(true);
      await poll('the thread to end', () => !look.isRunning || undefined);
    }
  });

  it('fails when its thread does, and does not fail the next time', async () => {
    const look = new FileLook();
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a thread cannot read
    const unreadable = [1] as unknown as string[];
    await expect(look.odd(folder, unreadable)).rejects.toThrow('split');
    expect(await look.odd(folder, ['1 1 none'])).toHaveLength(1);
  });
});
