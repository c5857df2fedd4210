import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  formatPackagesIndex,
  type PackagesIndex,
  parsePackagesIndex,
} from '../../gentoo/packages-index.ts';
import { AppError } from '../../support/errors.ts';
import type { PackageRecord } from '../package-record.ts';

/** What a rebuild keeps of a package it has read. */
export type KnownPackage = Pick<PackageRecord, 'id' | 'cpv' | 'buildId' | 'stanza'>;

/** What the index of a publication says, in terms of the packages that are there. */
export interface ReadPublication {
  readonly timestampSeconds: number;
  readonly packageIds: readonly string[];
  /** Whether the packages, indexed anew, give this very text. */
  readonly isAsIndexed: boolean;
}

/**
 * Reads a publication's folder. `known` has the packages of the profile by path.
 *
 * Throws `publication-unreadable` without an index that can be read, `publication-incomplete` when it names packages
 * that are not there (details: missing).
 */
export async function readPublication(
  folder: string,
  known: ReadonlyMap<string, KnownPackage>,
): Promise<ReadPublication> {
  const { text, index } = await readIndex(folder);
  const timestampSeconds = Number(index.header.get('TIMESTAMP'));
  if (!Number.isSafeInteger(timestampSeconds) || timestampSeconds <= 0) {
    throw unreadable('its index has no TIMESTAMP');
  }
  const paths = index.entries.map((entry) => entry.get('PATH') ?? '');
  const missing = paths.filter((path) => !known.has(path));
  if (missing.length > 0) {
    throw new AppError(
      'publication-incomplete',
      `The index names ${missing.length} of ${paths.length} packages that are not there: ${missing.slice(0, 5).join(', ')}.`,
      { details: { missing: missing.slice(0, 100) } },
    );
  }
  const packages = paths.flatMap((path) => known.get(path) ?? []);
  const stanzas = packages.map(({ stanza }) => stanza);
  return {
    timestampSeconds,
    packageIds: packages.map(({ id }) => id),
    isAsIndexed: formatPackagesIndex(Object.fromEntries(index.header), stanzas) === text,
  };
}

async function readIndex(
  folder: string,
): Promise<{ readonly text: string; readonly index: PackagesIndex }> {
  try {
    const text = await readFile(join(folder, 'Packages'), 'utf8');
    return { text, index: parsePackagesIndex(text) };
  } catch (error) {
    throw unreadable('its index cannot be read', error);
  }
}

function unreadable(fault: string, cause?: unknown): AppError {
  return new AppError('publication-unreadable', `The publication cannot be taken over: ${fault}.`, {
    cause,
  });
}
