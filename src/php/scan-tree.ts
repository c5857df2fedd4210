import { join } from 'node:path';
import { openByteSource } from '../binpkg/byte-source.ts';
import { readElf } from '../binpkg/elf/elf-file.ts';
import { scanImage } from '../binpkg/elf/scan-image.ts';
import { readVersionNeeds } from '../binpkg/elf/version-needs.ts';
import { AppError } from '../support/errors.ts';
import type { ManifestEntry } from './manifest.ts';
import type { Sapi } from './tree-meta.ts';

/** What the files of a tree say by themselves. */
export interface ScannedTree {
  readonly sapis: readonly Sapi[];
  readonly requires: string;
  readonly glibc: string | null;
}

const PROGRAMS = { cli: 'bin/php', fpm: 'sbin/php-fpm', apache: 'lib/apache2/libphp.so' } as const;
const INI = 'etc/php.ini';
const FPM_CONF = 'etc/php-fpm.conf';
const CONF_D = 'etc/conf.d';
const GLIBC = /^GLIBC_(?<version>[0-9]+(?:\.[0-9]+){1,2})$/;

/**
 * Looks at a tree that was unpacked into a folder: what has to be there, and what its ELF files ask for.
 *
 * Throws `php-tree-incomplete`, `elf-damaged`.
 */
export async function scanTree(
  folder: string,
  entries: readonly ManifestEntry[],
): Promise<ScannedTree> {
  const files = new Map(
    entries.flatMap((entry) => (entry.type === 'file' ? [[entry.path, entry] as const] : [])),
  );
  const sapis = (['cli', 'fpm', 'apache'] as const).filter((sapi) => files.has(PROGRAMS[sapi]));
  expectComplete(new Set(entries.map(({ path }) => path)), sapis);
  for (const sapi of sapis) {
    await expectProgram(folder, PROGRAMS[sapi], files.get(PROGRAMS[sapi])?.mode ?? 0);
  }
  const { REQUIRES } = await scanImage(folder);
  return {
    sapis,
    requires: REQUIRES?.trim() ?? '',
    glibc: await newestGlibc([...files.keys()].map((path) => join(folder, path))),
  };
}

function expectComplete(paths: ReadonlySet<string>, sapis: readonly Sapi[]): void {
  const wanted = [INI, CONF_D, PROGRAMS.cli, ...(sapis.includes('fpm') ? [FPM_CONF] : [])];
  const missing = wanted.find((path) => !paths.has(path));
  if (missing !== undefined || sapis.length < 2) {
    throw new AppError(
      'php-tree-incomplete',
      `The tree has no ${missing ?? `${PROGRAMS.fpm} and no ${PROGRAMS.apache}: nothing can serve with it`}.`,
      { details: { missing: missing ?? PROGRAMS.fpm } },
    );
  }
}

async function expectProgram(folder: string, path: string, mode: number): Promise<void> {
  const source = await openByteSource(join(folder, path));
  try {
    const isProgram = (await readElf(source)) !== undefined;
    const isRunnable = path.endsWith('.so') || (mode & 0o111) === 0o111;
    if (!isProgram || !isRunnable) {
      throw new AppError(
        'php-tree-incomplete',
        `${path} of the tree is ${isProgram ? 'not executable for everybody' : 'no ELF file'}.`,
        { details: { path } },
      );
    }
  } finally {
    await source.close();
  }
}

/** The newest version of glibc that one of the files asks for. */
async function newestGlibc(files: readonly string[]): Promise<string | null> {
  let newest: string | null = null;
  for (const file of files) {
    const needs = await versionNeedsOf(file);
    for (const need of needs) {
      const version = GLIBC.exec(need)?.groups?.['version'] ?? null;
      newest = version !== null && isNewer(version, newest ?? '0') ? version : newest;
    }
  }
  return newest;
}

async function versionNeedsOf(file: string): Promise<string[]> {
  const source = await openByteSource(file);
  try {
    return await readVersionNeeds(source);
  } finally {
    await source.close();
  }
}

function isNewer(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number));
  for (let at = 0; at < 3; at += 1) {
    const difference = (a?.[at] ?? 0) - (b?.[at] ?? 0);
    if (difference !== 0) {
      return difference > 0;
    }
  }
  return false;
}
