import type { Selectable } from 'kysely';
import * as z from 'zod';
import type { Queries } from '../../database/database.ts';
import type { InventoryRevisionRow } from '../../database/tables.ts';
import type { Inventory } from './inventory.ts';
import { inventorySchema } from './inventory-schema.ts';

export const INVENTORY_FORMATS = ['toml', 'ansible'] as const;
export type InventoryFormat = (typeof INVENTORY_FORMATS)[number];

/** A revision without its content. Revisions count up from 1 and never change. */
export interface InventoryNote {
  readonly revision: number;
  /** See `inventoryDigest`. */
  readonly digest: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly author: string;
  readonly reason: string;
  readonly source: { readonly format: InventoryFormat; readonly files: readonly string[] };
}

export interface InventoryRevision extends InventoryNote {
  readonly inventory: Inventory;
}

const sourceSchema = z.object({
  format: z.enum(INVENTORY_FORMATS),
  files: z.array(z.string()),
});
const NOTE = ['revision', 'digest', 'created_at', 'author', 'reason', 'source_json'] as const;

/** Newest first. */
export async function inventoryNotes(queries: Queries, limit: number): Promise<InventoryNote[]> {
  const rows = await queries
    .selectFrom('inventory_revisions')
    .select(NOTE)
    .orderBy('revision', 'desc')
    .limit(limit)
    .execute();
  return rows.map(toNote);
}

export async function inventoryOf(
  queries: Queries,
  revision: number,
): Promise<InventoryRevision | undefined> {
  const row = await queries
    .selectFrom('inventory_revisions')
    .selectAll()
    .where('revision', '=', revision)
    .executeTakeFirst();
  return row === undefined
    ? undefined
    : { ...toNote(row), inventory: inventorySchema.parse(JSON.parse(row.inventory_json)) };
}

/** The number of the newest revision with this digest. */
export async function revisionWith(queries: Queries, digest: string): Promise<number | undefined> {
  const row = await queries
    .selectFrom('inventory_revisions')
    .select('revision')
    .where('digest', '=', digest)
    .orderBy('revision', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.revision;
}

export async function insertInventory(
  queries: Queries,
  { inventory, source, createdAt, ...note }: InventoryRevision,
): Promise<void> {
  await queries
    .insertInto('inventory_revisions')
    .values({
      ...note,
      created_at: createdAt,
      inventory_json: JSON.stringify(inventory),
      source_json: JSON.stringify(source),
    })
    .execute();
}

function toNote(row: Pick<Selectable<InventoryRevisionRow>, (typeof NOTE)[number]>): InventoryNote {
  return {
    revision: row.revision,
    digest: row.digest,
    createdAt: row.created_at,
    author: row.author,
    reason: row.reason,
    source: sourceSchema.parse(JSON.parse(row.source_json)),
  };
}
