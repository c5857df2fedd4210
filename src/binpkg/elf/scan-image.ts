import type { Dirent } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, isAppError } from '../../support/errors.ts';
import { openByteSource } from '../byte-source.ts';
import { type ElfFile, readElf, readElfHeader } from './elf-file.ts';
import { machineName, multilibCategory } from './machine.ts';
import { type NeededEntry, sonameDeps } from './soname-deps.ts';

/** The metadata keys about ELF files. A key that Portage would not write is undefined. Values end with a line end. */
export interface ImageElfMetadata {
  readonly NEEDED: string | undefined;
  readonly 'NEEDED.ELF.2': string | undefined;
  readonly REQUIRES: string | undefined;
  readonly PROVIDES: string | undefined;
}

export interface ScanImageOptions {
  /** Shell patterns of files and sonames, as PROVIDES_EXCLUDE and REQUIRES_EXCLUDE of an ebuild. */
  readonly providesExclude?: readonly string[];
  readonly requiresExclude?: readonly string[];
}

const ET_DYN = 3;
const NO_RUN_PATH = '  -  ';

/**
 * Reads every ELF file below an image folder and computes what Portage computes (`bin/misc-functions.sh`,
 * `portage/util/_dyn_libs/soname_deps.py`). Sorted by path. Of a damaged ELF file there is what its header says.
 *
 * Throws `image-name-unsupported` for an ELF file whose path holds `;` or a line end, or one of its names a line end.
 */
export async function scanImage(
  folder: string,
  options: ScanImageOptions = {},
): Promise<ImageElfMetadata> {
  const entries: NeededEntry[] = [];
  await scanFolder(folder, '', entries);
  const { requires, provides } = sonameDeps(entries, {
    provides: options.providesExclude ?? [],
    requires: options.requiresExclude ?? [],
  });
  return {
    NEEDED: lines(entries.map(({ path, needed }) => `${path} ${needed.join(',')}`)),
    'NEEDED.ELF.2': lines(entries.map(neededLine)),
    REQUIRES: requires,
    PROVIDES: provides,
  };
}

async function scanFolder(root: string, path: string, entries: NeededEntry[]): Promise<void> {
  const found = await fs.readdir(join(root, path), { withFileTypes: true });
  for (const file of found.toSorted(byName)) {
    const below = `${path}/${file.name}`;
    if (file.isDirectory()) {
      await scanFolder(root, below, entries);
    } else if (file.isFile()) {
      const entry = await scanFile(join(root, below), below);
      if (entry !== undefined) {
        entries.push(entry);
      }
    }
  }
}

async function scanFile(file: string, path: string): Promise<NeededEntry | undefined> {
  const elf = await readElfFile(file);
  if (elf === undefined) {
    return undefined;
  }
  if (/[;\n\r]/.test(path)) {
    throw unsupported(path, 'its path');
  }
  const [soname = '', folders = '', needed = ''] = printed(elf, path).split(';');
  return {
    machine: machineName(elf),
    path,
    soname: soname || (await impliedSoname(elf, file)),
    runpath: folders === NO_RUN_PATH ? '' : folders,
    needed: needed.split(','),
    category: multilibCategory(elf),
  };
}

/** Soname, run path and needed sonames as scanelf prints them. Portage takes that apart, whatever is in the names. */
function printed(elf: ElfFile, path: string): string {
  const text = [elf.soname ?? '', runpath(elf), elf.needed.join(',')].join(';');
  if (text.includes('\n')) {
    throw unsupported(path, 'a name in it');
  }
  return text;
}

function unsupported(path: string, what: string): AppError {
  return new AppError(
    'image-name-unsupported',
    `The ELF file ${JSON.stringify(path)} cannot stand in NEEDED.ELF.2: ${what} would break its line.`,
    { details: { path } },
  );
}

async function readElfFile(file: string): Promise<ElfFile | undefined> {
  const source = await openByteSource(file);
  try {
    return await readElf(source);
  } catch (error) {
    if (isAppError(error, 'elf-damaged')) {
      return await readElfHeader(source);
    }
    throw error;
  } finally {
    await source.close();
  }
}

/**
 * Portage takes the file name as the soname of what file(1) calls a shared object. That program goes by DF_1_PIE
 * where there is a dynamic section, else by the file's execute permission.
 */
async function impliedSoname(elf: ElfFile, file: string): Promise<string> {
  if (elf.type !== ET_DYN) {
    return '';
  }
  const executable = elf.pie ?? ((await fs.stat(file)).mode & 0o111) !== 0;
  return executable ? '' : (file.split('/').at(-1) ?? '');
}

/** As scanelf prints it: both where they differ. */
function runpath({ rpath, runpath: newer }: ElfFile): string {
  if (rpath !== undefined && newer !== undefined && rpath !== newer) {
    return `{${rpath},${newer}}`;
  }
  return newer ?? rpath ?? NO_RUN_PATH;
}

/** As `NeededEntry.__str__` writes it: empty parts of the run path are gone. */
function neededLine(entry: NeededEntry): string {
  const { machine, path, soname, needed, category = '' } = entry;
  const folders = entry.runpath.split(':').filter((folder) => folder !== '');
  const names = needed.filter((name) => name !== '');
  return [machine, path, soname, folders.join(':'), names.join(','), category].join(';');
}

function lines(all: readonly string[]): string | undefined {
  return all.length === 0 ? undefined : `${all.join('\n')}\n`;
}

function byName(a: Dirent, b: Dirent): number {
  return Buffer.from(a.name).compare(Buffer.from(b.name));
}
