import type { Selectable } from 'kysely';
import { z } from 'zod';
import type { Queries } from '../database/database.ts';
import type { EventRow } from '../database/tables.ts';
import type { Event, EventQuery, NewEvent } from './event.ts';

export async function insertEvent(queries: Queries, event: NewEvent, at: number): Promise<Event> {
  const { seq } = await queries
    .insertInto('events')
    .values({
      at,
      kind: event.kind,
      subject: event.subject,
      actor: event.actor,
      data_json: JSON.stringify(event.data),
    })
    .returning('seq')
    .executeTakeFirstOrThrow();
  return { ...event, seq, at };
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
