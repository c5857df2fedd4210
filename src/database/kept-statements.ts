import type SQLite from 'better-sqlite3';
import type { SqliteDatabase } from 'kysely';

/** Longer ones have many rows of values, and are seldom the same again. */
const MOST_LENGTH = 2000;
const MOST_STATEMENTS = 300;

/**
 * A file of SQLite that keeps the statements that it has prepared: preparing one again costs more than carrying it out.
 * The one that was used longest ago goes first.
 */
export class KeptStatements implements SqliteDatabase {
  readonly #file: SQLite.Database;
  readonly #kept = new Map<string, SQLite.Statement>();

  constructor(file: SQLite.Database) {
    this.#file = file;
  }

  prepare(sql: string): SQLite.Statement {
    const known = this.#kept.get(sql);
    // One whose rows are still being read cannot be begun anew.
    if (known?.busy === false) {
      this.#kept.delete(sql);
      this.#kept.set(sql, known);
      return known;
    }
    const made = this.#file.prepare(sql);
    if (sql.length <= MOST_LENGTH) {
      this.#kept.set(sql, made);
      this.#forgetOldest();
    }
    return made;
  }

  close(): void {
    this.#kept.clear();
    this.#file.close();
  }

  #forgetOldest(): void {
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MOST_STATEMENTS && oldest !== undefined) {
      this.#kept.delete(oldest);
    }
  }
}
