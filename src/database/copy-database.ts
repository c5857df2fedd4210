import { createHash } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import { AppError } from '../support/errors.ts';
import { isPostgresql } from './database.ts';
import { storable } from './storable.ts';
import { type TableShape, tableShapes } from './table-shapes.ts';
import type { Tables } from './tables.ts';

/** How far a copy is, in rows. */
export interface CopyProgress {
  readonly stage: 'copying' | 'checking';
  readonly done: number;
  readonly total: number;
}

export interface CopiedTable {
  readonly table: string;
  readonly rows: number;
  /** SHA-256 of all rows in the order of their keys: the same on both sides. */
  readonly sha256: string;
}

/** Each database keeps its own. */
const NOT_COPIED = 'migrations';
const ROWS_AT_ONCE = 500;
/** Values of one statement: SQLite takes 32,766. */
const MOST_VALUES = 30_000;

type AnyTables = Record<string, Record<string, unknown>>;
type AnyQueries = Kysely<AnyTables>;

/**
 * Copies every row from one database to another that has none, of either engine, and reads the copy back before it
 * counts. It is one transaction: what is interrupted, or not the same, leaves the target as empty as it was.
 *
 * Throws `database-not-empty`, `database-copy-differs`.
 */
export async function copyRows(
  from: Kysely<Tables>,
  to: Kysely<Tables>,
  onProgress: (progress: CopyProgress) => void,
): Promise<CopiedTable[]> {
  const source = anyTable(from);
  const tables = (await tableShapes(from)).filter(({ name }) => name !== NOT_COPIED);
  let total = 0;
  for (const { name } of tables) {
    total += await countRows(source, name);
  }
  return await to.transaction().execute(async (transaction) => {
    const target = anyTable(transaction);
    await requireEmpty(target, tables);
    const copy = counter('copying', total, onProgress);
    const copied: CopiedTable[] = [];
    for (const table of tables) {
      copied.push(await copyTable(source, target, table, copy));
    }
    const check = counter('checking', total, onProgress);
    for (const [index, table] of tables.entries()) {
      requireSame(copied[index], await digestTable(target, table, check));
    }
    if (isPostgresql(to)) {
      await sql`select setval(pg_get_serial_sequence('events', 'seq'), max(seq))
        from events having count(*) > 0`.execute(transaction);
    }
    return copied;
  });
}

/** The tables are told by the databases themselves, so that a new one cannot be forgotten. */
function anyTable(db: Kysely<Tables>): AnyQueries {
  return db.withTables<AnyTables>();
}

async function countRows(queries: AnyQueries, table: string): Promise<number> {
  const { count } = await queries
    .selectFrom(table)
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return count;
}

async function requireEmpty(queries: AnyQueries, tables: readonly TableShape[]): Promise<void> {
  for (const { name } of tables) {
    if ((await countRows(queries, name)) > 0) {
      throw new AppError(
        'database-not-empty',
        `The database to copy to has rows already, in its table ${name}. Copy to a new one.`,
        { details: { table: name } },
      );
    }
  }
}

async function copyTable(
  source: AnyQueries,
  target: AnyQueries,
  table: TableShape,
  count: (rows: number) => void,
): Promise<CopiedTable> {
  const hash = createHash('sha256');
  const atOnce = Math.min(ROWS_AT_ONCE, Math.floor(MOST_VALUES / table.columns.length));
  let rows = 0;
  let piece: Record<string, unknown>[] = [];
  const write = async (): Promise<void> => {
    if (piece.length > 0) {
      await target.insertInto(table.name).values(piece).execute();
      rows += piece.length;
      count(piece.length);
      piece = [];
    }
  };
  for await (const read of rowsOf(source, table)) {
    const row = Object.fromEntries(
      Object.entries(read).map(([column, value]) => [column, storable(value)]),
    );
    hash.update(lineOf(row, table));
    piece.push(row);
    if (piece.length >= atOnce) {
      await write();
    }
  }
  await write();
  return { table: table.name, rows, sha256: hash.digest('hex') };
}

async function digestTable(
  queries: AnyQueries,
  table: TableShape,
  count: (rows: number) => void,
): Promise<CopiedTable> {
  const hash = createHash('sha256');
  let rows = 0;
  for await (const row of rowsOf(queries, table)) {
    hash.update(lineOf(row, table));
    rows += 1;
    count(1);
  }
  return { table: table.name, rows, sha256: hash.digest('hex') };
}

function rowsOf(
  queries: AnyQueries,
  { name, primaryKey }: TableShape,
): AsyncIterableIterator<Record<string, unknown>> {
  let statement = queries.selectFrom(name).selectAll();
  for (const column of primaryKey) {
    statement = statement.orderBy(column);
  }
  return statement.stream(ROWS_AT_ONCE);
}

function lineOf(row: Readonly<Record<string, unknown>>, { columns }: TableShape): string {
  return `${JSON.stringify(columns.map((column) => row[column]))}\n`;
}

function requireSame(copied: CopiedTable | undefined, read: CopiedTable): void {
  if (copied?.rows !== read.rows || copied.sha256 !== read.sha256) {
    throw new AppError(
      'database-copy-differs',
      `The copy of the table ${read.table} is not what was copied: ${copied?.rows} rows went in, ${read.rows} are there.`,
      { details: { table: read.table } },
    );
  }
}

function counter(
  stage: CopyProgress['stage'],
  total: number,
  onProgress: (progress: CopyProgress) => void,
): (rows: number) => void {
  let done = 0;
  onProgress({ stage, done, total });
  return (rows) => {
    done += rows;
    onProgress({ stage, done, total });
  };
}
