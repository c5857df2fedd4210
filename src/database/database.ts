import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import SQLite from 'better-sqlite3';
import { type DatabaseConnection, Kysely, SqliteDialect, SqliteDriver } from 'kysely';
import type { Clock } from '../support/clock.ts';
import { AppError, isErrno, messageOf } from '../support/errors.ts';
import { migrate } from './migrate.ts';
import type { Tables } from './tables.ts';

/**
 * Where statements are sent: the database itself, or a transaction (`database.transaction().execute(...)`).
 * Stores take this, so that one use case can put several stores into one transaction. With SQLite there is one
 * connection: inside a transaction use only the transaction, or the statement waits for itself.
 */
export type Queries = Kysely<Tables>;
export type Database = Kysely<Tables>;

/** Rows of packages are several KiB each; SQLite's own 2 MB hold a few hundred of them. */
const CACHE_KIB = 64 * 1024;

class EmbeddedDialect extends SqliteDialect {
  readonly #file: SQLite.Database;

  constructor(file: SQLite.Database) {
    super({ database: file });
    this.#file = file;
  }

  override createDriver(): SqliteDriver {
    return new EmbeddedDriver(this.#file);
  }
}

class EmbeddedDriver extends SqliteDriver {
  readonly #file: SQLite.Database;

  constructor(file: SQLite.Database) {
    super({ database: file });
    this.#file = file;
  }

  /**
   * When the disk is full, SQLite rolls back by itself (https://sqlite.org/lang_transaction.html, "Response To Errors Within
   * A Transaction"). A second rollback would fail, and hide why.
   */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#file.inTransaction) {
      await super.rollbackTransaction(connection);
    }
  }
}

/**
 * Opens, or makes, the embedded database. Every commit is on disk before it is acknowledged; exactly one process
 * may hold it.
 *
 * Throws `database-locked` when another process holds it, `database-unusable` for anything else that SQLite says.
 */
export async function openDatabase(path: string, clock: Clock): Promise<Database> {
  const db = new Kysely<Tables>({ dialect: new EmbeddedDialect(openFile(path)) });
  try {
    await migrate(db, clock, 'integer primary key autoincrement');
  } catch (error) {
    await db.destroy();
    throw error;
  }
  return db;
}

function openFile(path: string): SQLite.Database {
  mkdirSync(dirname(path), { recursive: true });
  let file: SQLite.Database | undefined;
  try {
    file = new SQLite(path, { timeout: 1000 });
    file.pragma('locking_mode = EXCLUSIVE');
    file.pragma('journal_mode = WAL');
    file.pragma('synchronous = FULL');
    file.pragma('foreign_keys = ON');
    file.pragma(`cache_size = -${CACHE_KIB}`);
    file.exec('begin immediate; commit');
    return file;
  } catch (error) {
    file?.close();
    if (isErrno(error, 'SQLITE_BUSY')) {
      throw new AppError('database-locked', `Another process holds the database ${path}.`, {
        cause: error,
      });
    }
    throw new AppError(
      'database-unusable',
      `The database ${path} cannot be used: ${messageOf(error)}.`,
      {
        cause: error,
      },
    );
  }
}
