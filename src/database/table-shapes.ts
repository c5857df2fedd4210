import { type Kysely, sql } from 'kysely';
import { isPostgresql } from './database.ts';
import type { Tables } from './tables.ts';

/** What a copy has to know of a table. */
export interface TableShape {
  readonly name: string;
  readonly columns: readonly string[];
  /** In their order. */
  readonly primaryKey: readonly string[];
  /** Tables that its rows refer to. */
  readonly needs: readonly string[];
}

interface ColumnRow {
  readonly table_name: string;
  readonly column_name: string;
  /** Place in the primary key from 1 on; 0 for other columns. */
  readonly key: number;
}

interface ReferenceRow {
  readonly table_name: string;
  readonly needs: string;
}

/** All tables of the database, each after those that it needs. */
export async function tableShapes(db: Kysely<Tables>): Promise<TableShape[]> {
  const [columns, references] = isPostgresql(db)
    ? [await postgresColumns(db), await postgresReferences(db)]
    : [await sqliteColumns(db), await sqliteReferences(db)];
  const names = [...new Set(columns.map((row) => row.table_name))].toSorted();
  return inOrder(
    names.map((name) => {
      const own = columns.filter((row) => row.table_name === name);
      return {
        name,
        columns: own.map((row) => row.column_name).toSorted(),
        primaryKey: own
          .filter(({ key }) => key > 0)
          .toSorted((a, b) => a.key - b.key)
          .map((row) => row.column_name),
        needs: references.filter((row) => row.table_name === name).map(({ needs }) => needs),
      };
    }),
  );
}

function inOrder(tables: readonly TableShape[]): TableShape[] {
  const ordered: TableShape[] = [];
  let left = tables;
  while (left.length > 0) {
    const names = new Set(left.map(({ name }) => name));
    const next = left.filter(({ needs }) => !needs.some((one) => names.has(one)));
    if (next.length === 0) {
      throw new Error(`the tables ${[...names].join(', ')} need one another`);
    }
    ordered.push(...next);
    left = left.filter((table) => !next.includes(table));
  }
  return ordered;
}

async function sqliteColumns(db: Kysely<Tables>): Promise<ColumnRow[]> {
  const { rows } = await sql<ColumnRow>`
    select tables.name as table_name, columns.name as column_name, columns.pk as key
    from sqlite_master as tables, pragma_table_info(tables.name) as columns
    where tables.type = 'table' and tables.name not like 'sqlite%'`.execute(db);
  return rows;
}

async function sqliteReferences(db: Kysely<Tables>): Promise<ReferenceRow[]> {
  const { rows } = await sql<ReferenceRow>`
    select distinct tables.name as table_name, keys."table" as needs
    from sqlite_master as tables, pragma_foreign_key_list(tables.name) as keys
    where tables.type = 'table'`.execute(db);
  return rows;
}

async function postgresColumns(db: Kysely<Tables>): Promise<ColumnRow[]> {
  const { rows } = await sql<ColumnRow>`
    select tables.relname as table_name, columns.attname as column_name,
      coalesce(array_position(keys.indkey::int2[], columns.attnum) + 1, 0) as key
    from pg_class as tables
    join pg_attribute as columns on columns.attrelid = tables.oid and columns.attnum > 0
      and not columns.attisdropped
    left join pg_index as keys on keys.indrelid = tables.oid and keys.indisprimary
    where tables.relkind = 'r' and tables.relnamespace = current_schema()::regnamespace`.execute(
    db,
  );
  return rows;
}

async function postgresReferences(db: Kysely<Tables>): Promise<ReferenceRow[]> {
  const { rows } = await sql<ReferenceRow>`
    select distinct tables.relname as table_name, needed.relname as needs
    from pg_constraint as keys
    join pg_class as tables on tables.oid = keys.conrelid
    join pg_class as needed on needed.oid = keys.confrelid
    where keys.contype = 'f' and tables.relnamespace = current_schema()::regnamespace`.execute(db);
  return rows;
}
