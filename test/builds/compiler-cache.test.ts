import { existsSync } from 'node:fs';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { CompilerCache } from '../../src/builds/compiler-cache.ts';
import { AppError } from '../../src/support/errors.ts';
import { Locks } from '../../src/support/locks.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const base = temporaryFolder();
const KEY = '0a/b1c2d3e4f5g6h7i8j9k0l1m2n3';
const MAX = 1000;
let count = 0;
let folder: string;
let cache: CompilerCache;
let hasRoom: boolean;

beforeEach(() => {
  count += 1;
  folder = join(base, `cache-${count}`);
  hasRoom = true;
  cache = newCache();
});

function newCache(): CompilerCache {
  return new CompilerCache({
    folder,
    locks: new Locks(),
    space: {
      requireRoom: async () => {
        if (!hasRoom) {
          throw new AppError('disk-space-low', 'no room');
        }
      },
    },
  });
}

function keyOf(index: number): string {
  return `${String(index).padStart(2, '0')}/entry${String(index).padStart(10, '0')}`;
}

async function put(key: string, bytes: string | Buffer, announced?: number): Promise<void> {
  const stream = Readable.from([Buffer.from(bytes)]);
  const size = announced === undefined ? {} : { size: announced };
  await cache.put('web', key, { stream, maxBytes: MAX, ...size });
}

/** Makes an entry look as if it was last used so many minutes ago. */
async function age(key: string, minutes: number): Promise<void> {
  const then = new Date(Date.now() - minutes * 60_000);
  await utimes(join(folder, 'web', key), then, then);
}

async function read(key: string, profile = 'web'): Promise<string | undefined> {
  const entry = await cache.open(profile, key);
  return entry && (await text(entry.stream));
}

describe('the shared ccache', () => {
  it('gives back what was put, to its profile only, until it is removed', async () => {
    await put(KEY, 'one');
    await put(KEY, 'another');
    expect(await read(KEY)).toBe('another');
    expect(await read(KEY, 'db')).toBeUndefined();
    expect(await cache.remove('web', KEY)).toBe(true);
    expect(await cache.remove('web', KEY)).toBe(false);
    expect(await read(KEY)).toBeUndefined();
  });

  it.each([
    '../../etc/passwd',
    '0a/../x',
    '0a/short',
    'abc/b1c2d3e4f5g6',
    '0a/B1C2D3E4F5G6',
    '/',
    '',
  ])('refuses the key %j', async (key) => {
    const refusal = { code: 'ccache-key-invalid' };
    await expect(put(key, 'x')).rejects.toMatchObject(refusal);
    await expect(cache.open('web', key)).rejects.toMatchObject(refusal);
    await expect(cache.remove('web', key)).rejects.toMatchObject(refusal);
    expect(existsSync(folder)).toBe(false);
  });

  it('keeps nothing of an entry that is too large, said so or not, or that breaks off', async () => {
    const tooLarge = { code: 'ccache-entry-too-large' };
    await expect(put(KEY, 'x', MAX + 1)).rejects.toMatchObject(tooLarge);
    await expect(put(KEY, Buffer.alloc(MAX + 1))).rejects.toMatchObject(tooLarge);
    const broken = new Readable({
      read() {
        this.destroy(new Error('gone'));
      },
    });
    await expect(cache.put('web', KEY, { stream: broken, maxBytes: MAX })).rejects.toThrow('gone');
    expect(await read(KEY)).toBeUndefined();
    const names = await readdir(join(folder, 'web'), { recursive: true, withFileTypes: true });
    expect(names.filter((one) => one.isFile())).toEqual([]);
  });

  it('takes nothing when the disk is nearly full', async () => {
    hasRoom = false;
    await expect(put(KEY, 'x')).rejects.toMatchObject({ code: 'disk-space-low' });
    expect(existsSync(folder)).toBe(false);
  });

  it('removes what was not used for longest when there is too much', async () => {
    for (const index of [1, 2, 3]) {
      await put(keyOf(index), Buffer.alloc(300));
      await age(keyOf(index), 60 - index);
    }
    expect(await read(keyOf(1))).toHaveLength(300);
    await put(keyOf(4), Buffer.alloc(300));
    expect(await read(keyOf(2))).toBeUndefined();
    for (const index of [1, 3, 4]) {
      expect(await read(keyOf(index))).toHaveLength(300);
    }
  });

  it('counts what an earlier process has left', async () => {
    await put(keyOf(1), Buffer.alloc(600));
    await age(keyOf(1), 5);
    cache = newCache();
    await put(keyOf(2), Buffer.alloc(600));
    expect(await read(keyOf(1))).toBeUndefined();
    expect(await read(keyOf(2))).toHaveLength(600);
  });

  it('is cleaned up: unfinished uploads, lower limits, profiles without one', async () => {
    await put(keyOf(1), Buffer.alloc(400));
    await age(keyOf(1), 5);
    await put(keyOf(2), Buffer.alloc(400));
    await mkdir(join(folder, 'gone/00'), { recursive: true });
    await writeFile(join(folder, 'gone/00/entry'), 'abc');
    const unfinished = join(folder, 'web/.ccache-x');
    await writeFile(unfinished, 'x');
    const old = new Date(Date.now() - 2 * 86_400_000);
    await utimes(unfinished, old, old);
    expect(await cache.cleanUp(new Map([['web', 500]]))).toBe(403);
    expect(await read(keyOf(1))).toBeUndefined();
    expect(await read(keyOf(2))).toHaveLength(400);
    expect([existsSync(unfinished), existsSync(join(folder, 'gone'))]).toEqual([false, false]);
  });
});
