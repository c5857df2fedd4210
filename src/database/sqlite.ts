import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import SQLite from 'better-sqlite3';
import { type DatabaseConnection, SqliteDialect, SqliteDriver } from 'kysely';
import { AppError, isErrno, messageOf } from '../support/errors.ts';
import { KeptStatements } from './kept-statements.ts';

/** Rows of packages are several KiB each; SQLite's own 2 MB hold a few hundred of them. */
const CACHE_KIB = 64 * 1024;

/**
 * A file of SQLite. Every commit is on disk before it is acknowledged; exactly one process may hold it.
 *
 * Throws `database-locked` when another process holds it, `database-unusable` for anything else that SQLite says.
 */
export function sqliteDialect(path: string): SqliteDialect {
  return new EmbeddedDialect(openFile(path));
}

class EmbeddedDialect extends SqliteDialect {
  readonly #file: SQLite.Database;

  constructor(file: SQLite.Database) {
    super({ database: new KeptStatements(file) });
    this.#file = file;
  }

  override createDriver(): SqliteDriver {
    return new EmbeddedDriver(this.#file);
  }
}

class EmbeddedDriver extends SqliteDriver {
  readonly #file: SQLite.Database;

  constructor(file: SQLite.Database) {
    super({ database: new KeptStatements(file) });
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
