import { mkdir, open, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { formatPackagesIndex } from '../gentoo/packages-index.ts';
import { syncDirectory } from '../support/files.ts';
import { checkIndex } from './index-check.ts';
import type { IndexedPackage } from './package-store.ts';

export interface Binhost {
  /** Made here; its parent must exist. */
  readonly folder: string;
  /** Where the PATHs of the packages begin. */
  readonly packagesFolder: string;
  /** What the symbolic link of a category holds. */
  readonly linkTo: (category: string) => string;
  /** Without TIMESTAMP and PACKAGES. */
  readonly header: Readonly<Record<string, string>>;
  /** TIMESTAMP, and modification time of both index files. */
  readonly timestampSeconds: number;
  /** In the order of the index. */
  readonly packages: readonly IndexedPackage[];
}

/**
 * Writes a complete binhost folder, durably: `Packages`, `Packages.gz` and a symbolic link for each category that
 * occurs. The index is read back and checked first.
 *
 * Throws `index-invalid`; what is in the folder then is for the caller to remove.
 */
export async function writeBinhost(binhost: Binhost): Promise<void> {
  const { folder, packages, timestampSeconds } = binhost;
  const text = formatPackagesIndex(
    {
      ...binhost.header,
      TIMESTAMP: String(timestampSeconds),
      PACKAGES: String(packages.length),
    },
    packages.map(({ stanza }) => stanza),
  );
  await setImmediate();
  await checkIndex(text, binhost);
  const bytes = Buffer.from(text);
  await mkdir(folder, { mode: 0o755 });
  await writeDurably(join(folder, 'Packages'), bytes, timestampSeconds);
  await writeDurably(join(folder, 'Packages.gz'), await promisify(gzip)(bytes), timestampSeconds);
  for (const category of new Set(packages.map((one) => one.category))) {
    await symlink(binhost.linkTo(category), join(folder, category));
  }
  await syncDirectory(folder);
}

async function writeDurably(path: string, bytes: Buffer, mtimeSeconds: number): Promise<void> {
  const handle = await open(path, 'wx', 0o644);
  try {
    await handle.writeFile(bytes);
    await handle.chmod(0o644);
    await handle.utimes(mtimeSeconds, mtimeSeconds);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
