import { isAppError } from '../support/errors.ts';
import type { Database, Queries } from './database.ts';

/**
 * Everything that `work` reads is of one moment: what others commit meanwhile it does not see. It changes nothing, holds
 * nobody up on PostgreSQL, and waits there for nobody. With SQLite there is one connection, so it uses only what it is
 * given, and waits for nothing but the database.
 *
 * Should the connection break, it reads once more, from the beginning.
 */
export async function readAtOnce<T>(
  database: Database,
  work: (queries: Queries) => Promise<T>,
): Promise<T> {
  const read = async (): Promise<T> =>
    await database
      .transaction()
      .setIsolationLevel('repeatable read')
      .setAccessMode('read only')
      .execute(work);
  try {
    return await read();
  } catch (error) {
    if (isAppError(error, 'database-unreachable')) {
      return await read();
    }
    throw error;
  }
}
