import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { parseCpv } from '../gentoo/cpv.ts';
import { formatIndexEntry, type IndexedFile } from '../gentoo/index-entry.ts';
import {
  formatPackagesIndex,
  type PackagesIndex,
  parsePackagesIndex,
} from '../gentoo/packages-index.ts';
import { AppError, isAppError } from '../support/errors.ts';
import type { IndexedPackage } from './package-store.ts';

const WHOLE_NUMBERS = ['SIZE', 'MTIME', 'BUILD_ID', 'BUILD_TIME'] as const;
const WHOLE_NUMBER = /^(?:0|[1-9][0-9]*)$/;
const MD5 = /^[0-9a-f]{32}$/;
const PATH = /^(?:[A-Za-z0-9_][A-Za-z0-9_.+-]*\/){2}[A-Za-z0-9_][A-Za-z0-9_.+-]*\.gpkg\.tar$/;

/**
 * The header of an index, as a client will read it. Throws `index-invalid`, as everything here does, with the sentence
 * of the first fault.
 */
export function checkHeader(
  text: string,
  expected: { readonly timestampSeconds: number; readonly packageCount: number },
): void {
  const { header, entries } = readIndex(text);
  expectEqual('TIMESTAMP', header.get('TIMESTAMP'), String(expected.timestampSeconds));
  expectEqual('PACKAGES', header.get('PACKAGES'), String(expected.packageCount));
  expectEqual('number of entries in the header', String(entries.length), '0');
}

/**
 * Reads a part of an index as a client will, and refuses what would harm one (portage-contract 11): an entry lost or
 * broken, a CPV that Portage would crash on, a path that is not relative or not that of the package.
 */
export function checkEntries(text: string, packages: readonly IndexedPackage[]): void {
  const { entries } = readIndex(`VERSION: 0\n\n${text}`);
  expectEqual('number of entries', String(entries.length), String(packages.length));
  if (packages.length > 0 && !text.endsWith('\n\n')) {
    throw invalid('an entry does not end with an empty line');
  }
  for (const [position, one] of packages.entries()) {
    checkEntry(entries[position] ?? new Map(), one);
  }
}

/** Whether the files of packages are there, with the size that their entries say. */
export function checkFiles(
  packagesFolder: string,
  packages: readonly Pick<IndexedPackage, 'path' | 'size'>[],
): void {
  for (const one of packages) {
    checkFile(join(packagesFolder, one.path), one);
  }
}

/** No path may stand twice. */
export function checkPaths(packages: readonly IndexedPackage[]): void {
  const paths = new Set(packages.map(({ path }) => path));
  expectEqual('number of different PATHs', String(paths.size), String(packages.length));
}

/**
 * The entry of a package. What would make `checkEntries` refuse an index that has it is refused here, so that no
 * import can stop a later publication.
 *
 * Throws `package-invalid-metadata`.
 */
export function makeStanza(file: IndexedFile): string {
  try {
    const stanza = formatIndexEntry(file);
    const index = readIndex(formatPackagesIndex({ VERSION: '0' }, [stanza]));
    checkEntry(index.entries[0] ?? new Map(), file);
    return stanza;
  } catch (error) {
    if (!isAppError(error)) {
      throw error;
    }
    throw new AppError(
      'package-invalid-metadata',
      `${file.cpv} cannot stand in an index: ${error.message}`,
      { cause: error, details: { ...error.details, cpv: file.cpv } },
    );
  }
}

function readIndex(text: string): PackagesIndex {
  try {
    return parsePackagesIndex(text);
  } catch (error) {
    if (isAppError(error)) {
      throw invalid(`it cannot be read back: ${error.message}`, error);
    }
    throw error;
  }
}

function checkEntry(
  entry: ReadonlyMap<string, string>,
  expected: Pick<IndexedPackage, 'path' | 'size'>,
): void {
  const cpv = entry.get('CPV') ?? '';
  const path = entry.get('PATH') ?? '';
  try {
    parseCpv(cpv);
  } catch (error) {
    throw invalid(`"${cpv}" is not a CPV`, error);
  }
  if (!PATH.test(path) || path !== expected.path) {
    throw invalid(`${cpv} has the PATH "${path}" instead of "${expected.path}"`);
  }
  for (const key of WHOLE_NUMBERS) {
    expectForm(cpv, key, entry, WHOLE_NUMBER);
  }
  expectForm(cpv, 'MD5', entry, MD5);
  expectEqual(`SIZE of ${cpv}`, entry.get('SIZE'), String(expected.size));
}

function expectForm(
  cpv: string,
  key: string,
  entry: ReadonlyMap<string, string>,
  form: RegExp,
): void {
  const value = entry.get(key) ?? '';
  if (!form.test(value)) {
    throw invalid(`${cpv} has the ${key} "${value}"`);
  }
}

function checkFile(file: string, { path, size }: Pick<IndexedPackage, 'path' | 'size'>): void {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile()) {
    throw invalid(`there is no file ${path}`);
  }
  if (stat.size !== size) {
    throw invalid(`${path} has ${stat.size} bytes instead of ${size}`);
  }
}

function expectEqual(what: string, found: string | undefined, wanted: string): void {
  if (found !== wanted) {
    throw invalid(`the ${what} is "${found ?? ''}" instead of "${wanted}"`);
  }
}

function invalid(fault: string, cause?: unknown): AppError {
  return new AppError('index-invalid', `The index is not fit to be published: ${fault}.`, {
    details: { fault },
    ...(cause === undefined ? {} : { cause }),
  });
}
