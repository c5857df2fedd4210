import type { Selectable } from 'kysely';
import { z } from 'zod';
import type { Queries } from '../database/database.ts';
import type { EventRow } from '../database/tables.ts';
import type { Event, NewEvent } from './event.ts';

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

/** The newest events, newest first. */
export async function latestEvents(
  queries: Queries,
  query: { readonly limit: number; readonly subject?: string },
): Promise<Event[]> {
  let statement = queries.selectFrom('events').selectAll();
  if (query.subject !== undefined) {
    statement = statement.where('subject', '=', query.subject);
  }
  return (await statement.orderBy('seq', 'desc').limit(query.limit).execute()).map(toEvent);
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
