import type { Queries } from '../database/database.ts';

/** Copies all tokens, revoked ones too, into a database that has none. Returns how many. */
export async function copyTokens(from: Queries, to: Queries): Promise<number> {
  const rows = await from.selectFrom('tokens').selectAll().execute();
  for (const row of rows) {
    await to.insertInto('tokens').values(row).execute();
  }
  return rows.length;
}
