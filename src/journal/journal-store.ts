import type { Selectable } from 'kysely';
import * as z from 'zod';
import type { Queries } from '../database/database.ts';
import type { EventRow } from '../database/tables.ts';
import type { Event, EventQuery, NewEvent } from './event.ts';

/** Rows of one statement: SQLite takes 32,766 variables. */
const ROWS_AT_ONCE = 1000;

/** The events as they were written, in the order of their numbers. */
export async function insertEvents(
  queries: Queries,
  events: readonly NewEvent[],
  at: number,
): Promise<Event[]> {
  const written: Event[] = [];
  for (let start = 0; start < events.length; start += ROWS_AT_ONCE) {
    const rows = await queries
      .insertInto('events')
      .values(
        events.slice(start, start + ROWS_AT_ONCE).map((event) => ({
          at,
          kind: event.kind,
          subject: event.subject,
          actor: event.actor,
          data_json: JSON.stringify(event.data),
        })),
      )
      .returningAll()
      .execute();
    written.push(...rows.map(toEvent).toSorted((one, other) => one.seq - other.seq));
  }
  return written;
}

/** The newest events that match, newest first; with `after`, the oldest of those behind it, oldest first. */
export async function findEvents(queries: Queries, query: EventQuery): Promise<Event[]> {
  let statement = queries.selectFrom('events').selectAll();
  for (const key of ['subject', 'kind', 'actor'] as const) {
    const value = query[key];
    if (value !== undefined) {
      statement = statement.where(key, '=', value);
    }
  }
  if (query.before !== undefined) {
    statement = statement.where('seq', '<', query.before);
  }
  if (query.after !== undefined) {
    statement = statement.where('seq', '>', query.after);
  }
  const order = query.after === undefined ? 'desc' : 'asc';
  return (await statement.orderBy('seq', order).limit(query.limit).execute()).map(toEvent);
}

const dataSchema = z.record(z.string(), z.unknown());

function toEvent(row: Selectable<EventRow>): Event {
  return {
    seq: row.seq,
    at: row.at,
    kind: row.kind,
    subject: row.subject,
    actor: row.actor,
    data: dataSchema.parse(JSON.parse(row.data_json)),
  };
}
