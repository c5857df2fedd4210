import type { Queries } from '../database/database.ts';

const CHUNK = 500;

/** Copies the whole journal, numbers included, into a database that has none. Returns how many events. */
export async function copyEvents(from: Queries, to: Queries): Promise<number> {
  let copied = 0;
  let after = 0;
  for (;;) {
    const rows = await from
      .selectFrom('events')
      .selectAll()
      .where('seq', '>', after)
      .orderBy('seq')
      .limit(CHUNK)
      .execute();
    const last = rows.at(-1);
    if (last === undefined) {
      return copied;
    }
    await to.insertInto('events').values(rows).execute();
    copied += rows.length;
    after = last.seq;
  }
}
