import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { type ByteSource, memorySource, openByteSource } from '../../src/binpkg/byte-source.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { collect } from './made-package.ts';

const folder = temporaryFolder();
const BYTES = Buffer.from(Array.from({ length: 700_000 }, (_, index) => index % 251));
const file = join(folder, 'bytes');
writeFileSync(file, BYTES);

describe.each<[string, () => Promise<ByteSource & { close?(): Promise<void> }>]>([
  ['a file', async () => await openByteSource(file)],
  ['memory', async () => memorySource(BYTES)],
])('a source of bytes in %s', (_name, open) => {
  it('gives any part of them', async () => {
    const source = await open();

    expect(source.size).toBe(BYTES.length);
    expect((await source.read(10, 300_000)).equals(BYTES.subarray(10, 300_010))).toBe(true);
    expect((await source.read(699_990, 100)).equals(BYTES.subarray(699_990))).toBe(true);
    expect(await source.read(BYTES.length + 5, 100)).toHaveLength(0);
    const part = await collect(source.stream(5, 600_000));
    expect(part.equals(BYTES.subarray(5, 600_005))).toBe(true);
    expect(await collect(source.stream(5, 0))).toHaveLength(0);
    await source.close?.();
  });

  it('says when a stream ends early', async () => {
    const source = await open();

    await expect(collect(source.stream(10, BYTES.length))).rejects.toMatchObject({
      code: 'source-truncated',
    });
    await source.close?.();
  });
});

describe('a file as a source', () => {
  it('must be a regular file', async () => {
    mkdirSync(join(folder, 'folder'));

    await expect(openByteSource(join(folder, 'folder'))).rejects.toMatchObject({
      code: 'not-a-file',
    });
    await expect(openByteSource(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is noticed when it is cut off while it is read', async () => {
    const shrinking = join(folder, 'shrinking');
    writeFileSync(shrinking, BYTES);
    const source = await openByteSource(shrinking);
    truncateSync(shrinking, 1000);

    await expect(collect(source.stream(0, BYTES.length))).rejects.toMatchObject({
      code: 'source-truncated',
    });
    await source.close();
  });
});
