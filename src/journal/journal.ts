import type { Database, Queries } from '../database/database.ts';
import type { Clock } from '../support/clock.ts';
import type { Event, EventQuery, NewEvent } from './event.ts';
import { findEvents, insertEvent } from './journal-store.ts';

export type Listener = (event: Event) => void;

/**
 * The record of what happened, and who listens to it now.
 *
 * Writing is part of the transaction of the deed; telling the listeners comes after its commit:
 *
 *     const event = await database.transaction().execute(async (queries) => {
 *       ...
 *       return await journal.write(queries, { kind: 'request-created', ... });
 *     });
 *     journal.announce(event);
 */
export class Journal {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #listeners = new Set<Listener>();

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  async write(queries: Queries, event: NewEvent): Promise<Event> {
    return await insertEvent(queries, event, this.#clock.now());
  }

  announce(...events: readonly Event[]): void {
    for (const event of events) {
      for (const listener of this.#listeners) {
        listener(event);
      }
    }
  }

  /** Write and announce, for a deed of a single statement. */
  async record(event: NewEvent): Promise<Event> {
    const written = await this.write(this.#database, event);
    this.announce(written);
    return written;
  }

  /** Calls the listener for each event from now on. The returned function ends it. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  async latest(limit: number, subject?: string): Promise<Event[]> {
    return await this.find({ limit, subject });
  }

  /** Newest first; with `after`, oldest first. */
  async find(query: EventQuery): Promise<Event[]> {
    return await findEvents(this.#database, query);
  }
}
