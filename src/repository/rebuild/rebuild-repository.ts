import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { PackageVerifier } from '../../binpkg/package-signer.ts';
import type { Database } from '../../database/database.ts';
import { isAppError } from '../../support/errors.ts';
import { exists } from '../../support/files.ts';
import type { Layout } from '../layout.ts';
import { filesIn, foldersIn, packageFolders } from '../package-folder.ts';
import type { Pool } from '../pool.ts';
import { type PlacedFile, readPackageFile } from './read-package-file.ts';
import type { RebuildFault, RebuildProgress, RebuildReport } from './rebuild-report.ts';
import { restorePublications } from './restore-publications.ts';
import { RowsOfPackages } from './rows-of-packages.ts';

export interface RebuildContext {
  /** New, with its tables, empty. */
  readonly database: Database;
  readonly layout: Layout;
  readonly pool: Pool;
  readonly verifier: PackageVerifier;
  readonly onProgress: (progress: RebuildProgress) => void;
}

interface SizedFile extends PlacedFile {
  readonly size: number;
}

/**
 * Fills a new database from the disk alone: packages from their own metadata and signatures, publications from their
 * indexes and notes. Nothing on disk is changed, but for names in the pool that are missing. What cannot be taken
 * over is a fault in the report, and stays on disk as it is.
 *
 * Requests, jobs, tokens and the journal are not in packages: they do not come back from here.
 */
export async function rebuildRepository(context: RebuildContext): Promise<RebuildReport> {
  const faults: RebuildFault[] = [];
  const profiles = await foldersIn(context.layout.binhosts);
  const files = (
    await Promise.all(profiles.map(async (profile) => await packageFilesOf(context, profile)))
  ).flat();
  const rows = new RowsOfPackages(context.database);
  await readAll(context, files, rows, faults);
  await rows.flush();
  await rows.rememberQuarantined(context.layout.quarantine);
  const published = await restorePublications(context, profiles, rows, faults);
  return {
    packages: rows.count,
    bytes: rows.bytes,
    damaged: rows.damaged,
    ...published,
    faults,
  };
}

async function packageFilesOf({ layout }: RebuildContext, profile: string): Promise<SizedFile[]> {
  const found: SizedFile[] = [];
  const packages = layout.packages(profile);
  for (const folder of await packageFolders(packages)) {
    for (const name of await filesIn(join(packages, folder))) {
      const path = `${folder}/${name}`;
      const file = layout.packageFile(profile, path);
      found.push({ profile, path, file, size: (await stat(file)).size });
    }
  }
  return found;
}

async function readAll(
  context: RebuildContext,
  files: readonly SizedFile[],
  rows: RowsOfPackages,
  faults: RebuildFault[],
): Promise<void> {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  context.onProgress({ stage: 'packages', done, total });
  for (const placed of files) {
    try {
      const record = await readPackageFile(placed, context.verifier, (count) => {
        done += count;
        context.onProgress({ stage: 'packages', done, total });
      });
      await keepInPool(context, placed, record.sha512);
      await rows.add(record);
    } catch (error) {
      if (!isAppError(error)) {
        throw error;
      }
      const { code, message } = error;
      faults.push({ code, subject: `package:${placed.profile}/${placed.path}`, message });
    }
  }
}

async function keepInPool(
  { pool }: RebuildContext,
  { file }: PlacedFile,
  sha512: string,
): Promise<void> {
  if (!(await exists(pool.pathOf(sha512)))) {
    await pool.takeIn(sha512, file);
  }
}
