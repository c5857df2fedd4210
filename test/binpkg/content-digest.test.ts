import { describe, expect, it } from '@jest/globals';
import { memorySource } from '../../src/binpkg/byte-source.ts';
import { ContentDigest } from '../../src/binpkg/content-digest.ts';
import type { EntryVisitor } from '../../src/binpkg/gpkg/image-archive.ts';
import { verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { forge, IMAGE, type RawEntry, tar } from './made-package.ts';

const LARGE = { name: 'image/usr/bin/x', content: Buffer.alloc(300_000, 7) };
const ignore: EntryVisitor = async () => undefined;
/** Looks at the first piece of each file, as a scan of ELF heads does. */
const glance: EntryVisitor = async (_entry, content) => {
  for await (const piece of content) {
    expect(piece.length).toBeGreaterThan(0);
    break;
  }
};

async function digestOf(
  entries: readonly RawEntry[],
  metadata: Readonly<Record<string, string>> = {},
  next = ignore,
): Promise<string> {
  const content = new ContentDigest(next);
  const bytes = await forge({ image: tar([...IMAGE, ...entries]) });
  await verifyGpkg(memorySource(bytes), { visit: content.visit, visitUse: 'passing' });
  return content.finish(metadata);
}

describe('the digest of what a package is', () => {
  it('is the same for another build with the same result, however much of it others look at', async () => {
    const other = { name: 'image/etc/y', content: Buffer.from('y') };
    const first = await digestOf([LARGE, other], { SLOT: '0', BUILD_TIME: '1', BUILD_ID: '1' });
    const again = { FEATURES: 'x', BUILD_TIME: '2', BUILD_ID: '9', SLOT: '0', INHERITED: 'y' };
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await digestOf([other, { ...LARGE, mtimeSeconds: 5 }], again, glance)).toBe(first);
  });

  it('differs for each thing that those could see who are built with it', async () => {
    const cut = Buffer.from(LARGE.content);
    cut[299_999] = 8;
    const digests = await Promise.all([
      digestOf([LARGE]),
      digestOf([LARGE], {}, glance),
      digestOf([{ ...LARGE, content: cut }], {}, glance),
      digestOf([{ ...LARGE, name: 'image/usr/bin/z' }]),
      digestOf([{ ...LARGE, mode: 0o4755 }]),
      digestOf([LARGE], { SLOT: '0/2' }),
      digestOf([LARGE], { PROVIDES: 'x86_64: libx.so.2' }),
      digestOf([]),
    ]);
    expect(digests[1]).toBe(digests[0]);
    expect(new Set(digests).size).toBe(digests.length - 1);
  });
});
