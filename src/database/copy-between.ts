import type { Clock } from '../support/clock.ts';
import { AppError } from '../support/errors.ts';
import { exists } from '../support/files.ts';
import { SERVERS } from './cluster.ts';
import { type CopiedTable, type CopyProgress, copyRows } from './copy-database.ts';
import { type Database, openDatabase } from './database.ts';
import { LockSession } from './lock-session.ts';
import { isDatabaseUrl, shownUrl } from './postgresql.ts';
import { isDatabaseFile } from './replace-database.ts';

export interface DatabaseCopy {
  readonly tables: readonly CopiedTable[];
  readonly rows: number;
}

/**
 * Copies a farm from one database to another that has no rows: paths of files of SQLite or `postgres://` URLs. Both are held
 * meanwhile, so that no server runs on them, and both are brought to the newest form.
 *
 * Throws `database-missing`, `database-locked`, and what `openDatabase` and `copyRows` throw.
 */
export async function copyDatabase(
  places: { readonly from: string; readonly to: string },
  clock: Clock,
  onProgress: (progress: CopyProgress) => void,
): Promise<DatabaseCopy> {
  const { from, to } = places;
  if (!isDatabaseUrl(from) && !((await exists(from)) && (await isDatabaseFile(from)))) {
    throw new AppError('database-missing', `There is no database ${from}.`);
  }
  return await withAlone(from, clock, async (source) =>
    withAlone(to, clock, async (target) => {
      const tables = await copyRows(source, target, onProgress);
      return { tables, rows: tables.reduce((sum, { rows }) => sum + rows, 0) };
    }),
  );
}

async function withAlone<T>(
  place: string,
  clock: Clock,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const session = isDatabaseUrl(place) ? new LockSession(place) : undefined;
  try {
    if (session !== undefined && (await session.tryLock(SERVERS)) === undefined) {
      throw new AppError(
        'database-locked',
        `Another process holds the database ${shownUrl(place)}.`,
      );
    }
    const database = await openDatabase(place, clock);
    try {
      return await work(database);
    } finally {
      await database.destroy();
    }
  } finally {
    await session?.close();
  }
}
