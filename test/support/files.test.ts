import { mkdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import {
  ensureInside,
  exists,
  namesIn,
  readSymlink,
  replaceSymlink,
  withTemporaryFolder,
  writeFileAtomic,
} from '../../src/support/files.ts';
import { temporaryFolder } from './temporary-folder.ts';

const folder = temporaryFolder();

describe('ensureInside', () => {
  it.each([
    [['a', 'b'], '/root/a/b'],
    [['a/../b'], '/root/b'],
    [['/etc/passwd'], '/root/etc/passwd'],
    [['..a'], '/root/..a'],
    [[], '/root'],
  ])('joins %j below the root', (segments, expected) => {
    expect(ensureInside('/root', ...segments)).toBe(expected);
  });

  it.each([[['..']], [['a', '../../x']], [['../rootless']], [['a\0b']]])(
    'refuses %j',
    (segments) => {
      expect(() => ensureInside('/root', ...segments)).toThrow(
        expect.objectContaining({ code: 'path-outside-root' }),
      );
    },
  );
});

describe('writeFileAtomic', () => {
  it('replaces contents, sets mode and time, and leaves no other name behind', async () => {
    const own = join(folder, 'atomic');
    await mkdir(own);
    const path = join(own, 'file');
    await writeFile(path, 'old');

    await writeFileAtomic(path, 'new', { mode: 0o600, mtimeSeconds: 1_700_000_000 });

    expect(await readFile(path, 'utf8')).toBe('new');
    const { mode, mtimeMs } = await stat(path);
    expect(mode & 0o777).toBe(0o600);
    expect(mtimeMs).toBe(1_700_000_000_000);
    expect(await namesIn(own)).toEqual(['file']);
  });

  it('leaves nothing behind when the target cannot be replaced', async () => {
    const own = join(folder, 'refused');
    await mkdir(join(own, 'file'), { recursive: true });

    await expect(writeFileAtomic(join(own, 'file'), 'x')).rejects.toMatchObject({ code: 'EISDIR' });

    expect(await namesIn(own)).toEqual(['file']);
  });
});

describe('links', () => {
  it('point a symbolic link elsewhere in one step', async () => {
    const path = join(folder, 'pointer');
    expect(await readSymlink(path)).toBeUndefined();
    await replaceSymlink('first', path);
    await replaceSymlink('second', path);
    expect(await readlink(path)).toBe('second');
    expect((await namesIn(folder)).filter((name) => name.includes('pointer'))).toEqual(['pointer']);
  });
});

describe('withTemporaryFolder', () => {
  it('removes the folder when the work fails', async () => {
    let seen = '';
    const work = withTemporaryFolder(folder, async (path) => {
      seen = path;
      await writeFile(join(path, 'x'), 'x');
      throw new Error('broken work');
    });
    await expect(work).rejects.toThrow('broken work');
    expect(seen).not.toBe('');
    expect(await exists(seen)).toBe(false);
  });
});
