import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openByteSource } from '../../src/binpkg/byte-source.ts';
import { verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { compressZstd, decompressZstd } from '../../src/binpkg/zstd.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { collect, forge, metadataTar, piecesOf, type RawEntry, tar } from './made-package.ts';

const root = temporaryFolder();

/** Bytes that do not pack, so that pieces come in every size. */
function noise(bytes: number): Buffer {
  const made = Buffer.alloc(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4) {
    made.writeUInt32LE(Math.imul(at + 7, 2_654_435_761) >>> 0, at);
  }
  return made;
}

/** Entries whose headers and long names lie across the ends of pieces. */
function entries(): RawEntry[] {
  const content = noise(60_001);
  return Array.from({ length: 60 }, (_, at): RawEntry[] => {
    const name = `image/${`${at}-${'long'.repeat(20)}/`.repeat(40)}file`;
    return [
      { name: 'long', typeflag: 'L', magic: 'gnu', content: `${name}\0` },
      { name: name.slice(0, 99), magic: 'gnu', content },
    ];
  }).flat();
}

describe('pieces whose memory is used again', () => {
  it('of a file hold its bytes one after the other', async () => {
    const bytes = noise(1_000_003);
    const file = join(mkdtempSync(join(root, 'file-')), 'bytes');
    writeFileSync(file, bytes);
    const source = await openByteSource(file);
    const found: Buffer[] = [];
    const memory = new Set<ArrayBufferLike>();
    for await (const piece of source.stream(3, 1_000_000, 'passing')) {
      found.push(Buffer.from(piece));
      memory.add(piece.buffer);
    }
    expect(Buffer.concat(found).equals(bytes.subarray(3))).toBe(true);
    expect(memory.size).toBeLessThanOrEqual(2);
    expect((await collect(source.stream(3, 1_000_000))).equals(bytes.subarray(3))).toBe(true);
    await source.close();
  });

  it('out of zstd hold its bytes one after the other', async () => {
    const bytes = noise(900_001);
    const packed = await collect(compressZstd(piecesOf(bytes, 70_000)));
    const found: Buffer[] = [];
    for await (const piece of decompressZstd(piecesOf(packed, 33_333), 27, 'passing')) {
      found.push(Buffer.from(piece));
    }
    expect(Buffer.concat(found).equals(bytes)).toBe(true);
  });

  it('give the same names, sizes and members of a package as pieces that are kept', async () => {
    const image = await collect(compressZstd(piecesOf(tar(entries()), 100_000)));
    const file = join(mkdtempSync(join(root, 'package-')), 'x.gpkg.tar');
    const metadata = await collect(compressZstd(piecesOf(metadataTar(), 1000)));
    const members = [
      { name: 'gpkg-1' },
      { name: 'metadata.tar.zst', content: metadata },
      { name: 'image.tar.zst', content: image },
    ];
    writeFileSync(file, await forge({ members: () => members }));
    const source = await openByteSource(file);
    const visited: string[] = [];
    const kept = await verifyGpkg(source, {
      listFiles: true,
      visit: async ({ path }) => {
        visited.push(path);
      },
    });
    expect(await verifyGpkg(source, { listFiles: true })).toEqual(kept);
    expect(kept.image).toMatchObject({ regularFiles: 60, files: visited });
    await source.close();
  });
});
