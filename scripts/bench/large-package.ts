import { writeFile } from 'node:fs/promises';
import { tarEnd, tarEntryHeader, tarPadding } from '../../src/binpkg/archive/tar-writer.ts';
import { metadataArchive } from '../../src/binpkg/gpkg/metadata-archive.ts';
import type { PackageSigner } from '../../src/binpkg/package-signer.ts';
import { containerOf, Dice, noise, zstd } from './made-packages.ts';

const FILE_BYTES = 2 * 1024 * 1024;
/** Of each file; the rest is text. Packs to about half, as programs do. */
const NOISE_SHARE = 0.5;

/** Writes a signed package of about so many megabytes. */
export async function makeLargePackage(
  file: string,
  megabytes: number,
  signer: PackageSigner,
): Promise<void> {
  const pool = noise(3, 4 * FILE_BYTES * 16);
  const dice = new Dice(3);
  const noiseBytes = FILE_BYTES * NOISE_SHARE;
  const parts: Buffer[] = [];
  for (let number = 0; number < (megabytes * 1_000_000) / noiseBytes; number += 1) {
    const content = Buffer.alloc(FILE_BYTES, `line ${number} of a text that says the same again\n`);
    const start = dice.whole(0, pool.length - noiseBytes);
    pool.copy(content, 0, start, start + noiseBytes);
    const entry = { path: `image/usr/lib/part${number}`, type: 'file', size: FILE_BYTES } as const;
    parts.push(
      tarEntryHeader({ ...entry, mtimeSeconds: 1 }, 'ustar'),
      content,
      tarPadding(FILE_BYTES),
    );
  }
  parts.push(tarEnd(parts.reduce((sum, part) => sum + part.length, 0)));
  const identity = { CATEGORY: 'app-misc\n', PF: 'large-1\n', SLOT: '0\n', EAPI: '8\n' };
  const metadata = metadataArchive(new Map(Object.entries(identity)), 1);
  const bytes = await containerOf({ base: 'large-1', mtimeSeconds: 1, signer }, [
    ['metadata.tar.zst', zstd(metadata, 3)],
    ['image.tar.zst', zstd(Buffer.concat(parts), 3)],
  ]);
  await writeFile(file, bytes);
}
