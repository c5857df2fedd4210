import type { Database, Queries } from '../database/database.ts';
import type { Clock } from '../support/clock.ts';
import type { Event, EventQuery, NewEvent } from './event.ts';
import { findEvents, insertEvents } from './journal-store.ts';

const EVENTS_AT_ONCE = 500;

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

  readonly #hint: (() => void) | undefined;
  /** Of the last event that listeners know, once `follow` was called. */
  #told: number | undefined;
  #isLooking = false;
  #isLookWanted = false;

  /** `hint`, where several servers write: tells all of them to `look`, this one too. */
  constructor(database: Database, clock: Clock, hint?: () => void) {
    this.#database = database;
    this.#clock = clock;
    this.#hint = hint;
  }

  /**
   * From now on listeners hear of all events, of other servers too, in the order of their numbers: they are read from the
   * database, where none appears behind one with a larger number (docs/decisions/0020).
   */
  async follow(): Promise<void> {
    const [newest] = await this.latest(1);
    this.#told = newest?.seq ?? 0;
  }

  /** Tells listeners what is new in the database, soon. What keeps it from reading is thrown to `onError`. */
  look(onError: (error: unknown) => void): void {
    this.#isLookWanted = true;
    if (!this.#isLooking) {
      this.#tellNew().catch(onError);
    }
  }

  async #tellNew(): Promise<void> {
    this.#isLooking = true;
    try {
      while (this.#isLookWanted) {
        this.#isLookWanted = false;
        const events = await this.find({ limit: EVENTS_AT_ONCE, after: this.#told ?? 0 });
        this.#isLookWanted ||= events.length === EVENTS_AT_ONCE;
        this.#tell(events);
      }
    } finally {
      this.#isLooking = false;
    }
  }

  #tell(events: readonly Event[]): void {
    for (const event of events) {
      this.#told = event.seq;
      for (const listener of this.#listeners) {
        listener(event);
      }
    }
  }

  async write(queries: Queries, event: NewEvent): Promise<Event> {
    const [written] = await this.writeAll(queries, [event]);
    if (written === undefined) {
      throw new Error(`the event ${event.kind} was not written`);
    }
    return written;
  }

  /** As `write`, for many at once. */
  async writeAll(queries: Queries, events: readonly NewEvent[]): Promise<Event[]> {
    return await insertEvents(queries, events, this.#clock.now());
  }

  announce(...events: readonly Event[]): void {
    if (this.#hint === undefined) {
      this.#tell(events);
    } else if (events.length > 0) {
      this.#hint();
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
