import {
  type CompiledQuery,
  type DatabaseConnection,
  DeleteQueryNode,
  type Driver,
  InsertQueryNode,
  type QueryResult,
  RawNode,
  type TransactionSettings,
  UpdateQueryNode,
} from 'kysely';
import type pg from 'pg';
import { AppError, isAppError } from '../support/errors.ts';
import { heldLocks } from './held-locks.ts';
import { lockNumber } from './lock-number.ts';
import type { HeldLock } from './lock-session.ts';
import { translated } from './postgres-faults.ts';
import { storable } from './storable.ts';

/** Whoever changes anything holds this, until its commit: docs/decisions/0020. */
const WRITER = lockNumber('writer');
/** As many as may have died unnoticed, and one more. */
const MOST_TRIES = 17;
const BEGIN = `begin; select pg_advisory_xact_lock(${WRITER})`;
/** All of its statements see the state that the first one saw. */
const BEGIN_READING = 'begin transaction isolation level repeatable read read only';

/**
 * Connections to PostgreSQL, on which everything that changes something runs one after another, over all processes, as it does
 * within SQLite: a transaction, or a statement outside of one, begins when the one before has committed, and sees
 * all of it. So whatever is read within a transaction still holds when it writes, and events have their numbers
 * in the order of their commits. Reading outside of transactions, and in those that only read, waits for nobody.
 */
export class PostgresDriver implements Driver {
  readonly #open: () => pg.Pool;
  readonly #place: string;
  #pool: pg.Pool | undefined;

  constructor(open: () => pg.Pool, place: string) {
    this.#open = open;
    this.#place = place;
  }

  async init(): Promise<void> {
    this.#pool = this.#open();
    // A connection that breaks while nobody uses it is thrown away; the next statement gets another.
    this.#pool.on('error', () => undefined);
    // One that breaks in the moment in which the pool hands it out has no listener yet, and would end the process. The
    // next statement on it says so.
    this.#pool.on('connect', (client) => {
      client.on('error', () => undefined);
    });
  }

  async acquireConnection(): Promise<PostgresConnection> {
    if (this.#pool === undefined) {
      throw new Error('the database is closed');
    }
    return await PostgresConnection.open(this.#pool, this.#place);
  }

  async beginTransaction(
    connection: DatabaseConnection,
    { accessMode }: TransactionSettings = {},
  ): Promise<void> {
    await (accessMode === 'read only' ? own(connection).beginReading() : own(connection).begin());
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await own(connection).commit();
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await own(connection).rollback();
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    own(connection).release();
  }

  async destroy(): Promise<void> {
    const pool = this.#pool;
    this.#pool = undefined;
    await pool?.end();
  }
}

function own(connection: DatabaseConnection): PostgresConnection {
  if (!(connection instanceof PostgresConnection)) {
    throw new TypeError('a connection of another driver');
  }
  return connection;
}

class PostgresConnection implements DatabaseConnection {
  readonly #pool: pg.Pool;
  readonly #place: string;
  /** Absent once released, and after a connection that broke could not be replaced. */
  #client: pg.PoolClient | undefined;
  #isInTransaction = false;
  #broken: Error | undefined;

  private constructor(pool: pg.Pool, place: string, client: pg.PoolClient) {
    this.#pool = pool;
    this.#place = place;
    this.#client = client;
    client.on('error', this.#onError);
  }

  static async open(pool: pg.Pool, place: string): Promise<PostgresConnection> {
    return new PostgresConnection(pool, place, await connect(pool, place));
  }

  /** Told beside the statement that fails, too; without a listener it would end the process. */
  readonly #onError = (error: Error): void => {
    this.#broken = error;
  };

  async executeQuery<R>(compiled: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#isInTransaction || !isWrite(compiled)) {
      return this.#isInTransaction
        ? await this.#send(compiled.sql, compiled.parameters)
        : await this.#sendFirst(compiled.sql, compiled.parameters);
    }
    await this.begin();
    try {
      const result = await this.#send<R>(compiled.sql, compiled.parameters);
      await this.commit();
      return result;
    } catch (error) {
      await this.rollback();
      throw error;
    }
  }

  /** Rows in pieces, of one state of the database. */
  async *streamQuery<R>(compiled: CompiledQuery, rowsAtOnce = 100): AsyncGenerator<QueryResult<R>> {
    const isOwn = !this.#isInTransaction;
    if (isOwn) {
      await this.#sendFirst('begin transaction read only');
      this.#isInTransaction = true;
    }
    try {
      await this.#send(`declare rows no scroll cursor for ${compiled.sql}`, compiled.parameters);
      for (;;) {
        const piece = await this.#send<R>(`fetch ${rowsAtOnce} from rows`);
        if (piece.rows.length === 0) {
          await this.#send('close rows');
          return;
        }
        yield piece;
      }
    } finally {
      if (isOwn) {
        await this.rollback();
      }
    }
  }

  async begin(): Promise<void> {
    await this.#sendFirst(BEGIN);
    this.#isInTransaction = true;
    try {
      await this.#requireLocks(heldLocks());
    } catch (error) {
      await this.rollback();
      throw error;
    }
  }

  async beginReading(): Promise<void> {
    await this.#sendFirst(BEGIN_READING);
    this.#isInTransaction = true;
  }

  /**
   * The locks that the work relies on are still there. From here until the commit nobody else writes, so whoever
   * takes a lock that is lost meanwhile comes after it.
   */
  async #requireLocks(locks: readonly HeldLock[]): Promise<void> {
    for (const { name, number, pid, state } of locks) {
      const { rows } = await this.#send(
        `select 1 from pg_locks where locktype = 'advisory' and granted and pid = $1
          and (classid::bigint << 32) | objid::bigint = $2::bigint`,
        [pid, number],
      );
      if (state === 'lost' || rows.length === 0) {
        throw new AppError(
          'lock-lost',
          `The lock ${name} was lost with its connection to the database: nothing was changed, try again.`,
        );
      }
    }
  }

  async commit(): Promise<void> {
    await this.#send('commit');
    this.#isInTransaction = false;
  }

  /** A connection on which even that fails is not used again: its end is the end of the transaction. */
  async rollback(): Promise<void> {
    try {
      await this.#send('rollback');
      this.#isInTransaction = false;
    } catch (error) {
      this.#broken = error instanceof Error ? error : new Error(String(error));
    }
  }

  release(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.off('error', this.#onError);
    client?.release(this.#broken ?? this.#isInTransaction);
  }

  /**
   * For what changes nothing: a connection that has lain in the pool may have died there, and others with it. It is tried
   * again with another.
   */
  async #sendFirst<R>(text: string, values?: readonly unknown[]): Promise<QueryResult<R>> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#send(text, values);
      } catch (error) {
        if (!isAppError(error, 'database-unreachable')) {
          throw error;
        }
        await this.#renew(error);
        if (attempt === MOST_TRIES) {
          throw error;
        }
      }
    }
  }

  async #renew(error: Error): Promise<void> {
    this.#broken = error;
    this.release();
    this.#broken = undefined;
    this.#client = await connect(this.#pool, this.#place);
    this.#client.on('error', this.#onError);
  }

  async #send<R>(text: string, values?: readonly unknown[]): Promise<QueryResult<R>> {
    try {
      const query = values === undefined ? text : { text, values: values.map(storable) };
      if (this.#client === undefined) {
        throw new Error('Connection terminated');
      }
      const result = await this.#client.query(query);
      // Two statements at once, of `begin`, give two results.
      const { rows = [], rowCount = 0, command } = Array.isArray(result) ? {} : result;
      const isChange = command === 'INSERT' || command === 'UPDATE' || command === 'DELETE';
      return isChange ? { rows, numAffectedRows: BigInt(rowCount ?? 0) } : { rows };
    } catch (error) {
      throw translated(error, this.#place);
    }
  }
}

async function connect(pool: pg.Pool, place: string): Promise<pg.PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw translated(error, place);
  }
}

function isWrite({ query, sql }: CompiledQuery): boolean {
  return (
    InsertQueryNode.is(query) ||
    UpdateQueryNode.is(query) ||
    DeleteQueryNode.is(query) ||
    (RawNode.is(query) && !/^\s*select\b/i.test(sql))
  );
}
