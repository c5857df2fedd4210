import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { PackedBlocks } from '../binpkg/pkgdir/packed-blocks.ts';
import { stanzaValue } from '../gentoo/index-scan.ts';
import { syncDirectory } from '../support/files.ts';
import { cutRuns } from '../support/runs.ts';
import { composeBlock, composeHeader } from './blocks/block-text.ts';
import { type IndexPiece, writeIndexFiles } from './blocks/write-index-files.ts';
import { checkFiles, checkPaths } from './index-check.ts';
import type { IndexedPackage } from './package-store.ts';

export interface BinhostFolder {
  /** Made here; its parent must exist. */
  readonly folder: string;
  /** What the symbolic link of a category holds. */
  readonly linkTo: (category: string) => string;
  /** Without TIMESTAMP and PACKAGES. */
  readonly header: Readonly<Record<string, string>>;
  /** TIMESTAMP, and modification time of both index files. */
  readonly timestampSeconds: number;
}

export interface Binhost extends BinhostFolder {
  /** Where the PATHs of the packages begin. */
  readonly packagesFolder: string;
  /** In the order of the index. */
  readonly packages: readonly IndexedPackage[];
}

/**
 * Writes a complete binhost folder, durably: `Packages`, `Packages.gz` and a symbolic link for each category that
 * occurs. The index is read back and checked first, and the files that it names have to be there.
 *
 * Throws `index-invalid`; what is in the folder then is for the caller to remove.
 */
export async function writeBinhost(binhost: Binhost): Promise<void> {
  const { packages, header, packagesFolder } = binhost;
  checkPaths(packages);
  const pieces: IndexPiece[] = [];
  for (const run of cutRuns(packages, ({ stanza }) => stanzaValue(stanza, 'CPV') ?? '')) {
    pieces.push(composeBlock(run, header));
    checkFiles(packagesFolder, run);
    await setImmediate();
  }
  const categories = new Set(packages.map(({ category }) => category));
  await writeFolder(binhost, { pieces, categories, packageCount: packages.length });
}

/**
 * The same of an index that is there in pieces, checked. Returns the gzip members of the pieces that were composed.
 *
 * Throws `index-invalid`, and `DamagedIndexError` for pieces that are not what they were.
 */
export async function writeFolder(
  { folder, header, timestampSeconds, linkTo }: BinhostFolder,
  contents: {
    readonly pieces: readonly IndexPiece[];
    readonly categories: ReadonlySet<string>;
    readonly packageCount: number;
  },
): Promise<PackedBlocks> {
  const { pieces, categories, packageCount } = contents;
  const first = composeHeader(header, { timestampSeconds, packageCount });
  await mkdir(folder, { mode: 0o755 });
  const packed = await writeIndexFiles(folder, [first, ...pieces], timestampSeconds);
  for (const category of categories) {
    await symlink(linkTo(category), join(folder, category));
  }
  await syncDirectory(folder);
  return packed;
}
