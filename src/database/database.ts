import { Kysely, PostgresAdapter } from 'kysely';
import type { Clock } from '../support/clock.ts';
import { IN_POSTGRESQL, IN_SQLITE, migrate } from './migrate.ts';
import { isDatabaseUrl, postgresDialect, requireFit } from './postgresql.ts';
import { sqliteDialect } from './sqlite.ts';
import type { Tables } from './tables.ts';

/**
 * Where statements are sent: the database itself, or a transaction (`database.transaction().execute(...)`).
 * Stores take this, so that one use case can put several stores into one transaction. With SQLite there is one
 * connection: inside a transaction use only the transaction, or the statement waits for itself.
 */
export type Queries = Kysely<Tables>;
export type Database = Kysely<Tables>;

/**
 * Opens a database and brings its tables to the newest form. `place` is the path of a file of SQLite, which is made
 * when it is not there, or the `postgres://` URL of a database of PostgreSQL.
 *
 * On both, transactions run one after another (docs/decisions/0020), and a commit is on disk before it is acknowledged.
 *
 * Throws `database-locked`, `database-unusable`, `database-unreachable`, `database-unfit`, `database-too-new`.
 */
export async function openDatabase(place: string, clock: Clock): Promise<Database> {
  if (!isDatabaseUrl(place)) {
    const db = new Kysely<Tables>({ dialect: sqliteDialect(place) });
    return await opened(db, async () => {
      await migrate(db, clock, IN_SQLITE);
    });
  }
  const db = new Kysely<Tables>({ dialect: postgresDialect(place) });
  return await opened(db, async () => {
    await requireFit(db, place);
    await migrate(db, clock, IN_POSTGRESQL);
  });
}

/** Whether statements for this go to PostgreSQL. */
export function isPostgresql(queries: Queries): boolean {
  return queries.getExecutor().adapter instanceof PostgresAdapter;
}

async function opened(db: Database, prepare: () => Promise<void>): Promise<Database> {
  try {
    await prepare();
    return db;
  } catch (error) {
    await db.destroy();
    throw error;
  }
}
