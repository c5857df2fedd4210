import { describe, expect, it } from '@jest/globals';
import { memorySource } from '../../src/binpkg/byte-source.ts';
import { ImageLevelScan } from '../../src/binpkg/elf/image-level.ts';
import { verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { makeElf } from './made-elf.ts';
import { forge, IMAGE, type RawEntry, tar } from './made-package.ts';

async function levelOf(entries: readonly RawEntry[]): Promise<object> {
  const scan = new ImageLevelScan();
  const bytes = await forge({ image: tar([...IMAGE, ...entries]) });
  await verifyGpkg(memorySource(bytes), { visit: scan.visit });
  return scan.result();
}

const v2 = { name: 'image/usr/bin/two', content: makeElf({ isaBits: 2 }) };
const v3 = {
  name: 'image/usr/bin/three',
  content: Buffer.concat([makeElf({ isaBits: 4 }), Buffer.alloc(300_000, 1)]),
};

describe('the CPU level of an image', () => {
  it('is the highest that a file demands', async () => {
    const plain = { name: 'image/usr/bin/plain', content: makeElf() };

    expect(await levelOf([v2, v3, plain])).toEqual({
      elfFiles: 3,
      level: 3,
      files: ['usr/bin/three'],
    });
    expect(await levelOf([v3, v2, { ...v3, name: 'image/z' }])).toMatchObject({
      level: 3,
      files: ['usr/bin/three', 'z'],
    });
  });

  it('leaves out what is only loaded by a CPU that has the level', async () => {
    const hwcaps = { ...v3, name: 'image/usr/lib64/glibc-hwcaps/x86-64-v3/libz.so.1' };
    expect(await levelOf([hwcaps, v2])).toEqual({
      elfFiles: 2,
      level: 2,
      files: ['usr/bin/two'],
    });
  });

  it('is the same when the memory of what was shown is used again', async () => {
    const scan = new ImageLevelScan();
    const bytes = await forge({ image: tar([...IMAGE, v3, v2]) });
    await verifyGpkg(memorySource(bytes), { visit: scan.visit, visitUse: 'passing' });
    expect(scan.result()).toMatchObject({ level: 3, files: ['usr/bin/three'] });
  });

  it('is not known where no ELF file says it, or the file is damaged', async () => {
    const damaged = { name: 'image/usr/bin/cut', content: makeElf({ isaBits: 4 }).subarray(0, 80) };

    expect(await levelOf([])).toEqual({ elfFiles: 0, level: undefined, files: [] });
    expect(await levelOf([damaged])).toEqual({ elfFiles: 1, level: undefined, files: [] });
  });
});
