import { sql } from 'kysely';
import type { Clock } from '../support/clock.ts';
import { messageOf } from '../support/errors.ts';
import type { Service } from '../support/lifecycle.ts';
import type { Log } from '../support/log.ts';
import { repeating } from '../support/schedule.ts';
import type { Queries } from './database.ts';

const ADJUST_EVERY_MS = 5000;
/** A difference that is worth telling; smaller ones are measured, not set. */
const TOLERANCE_MS = 2000;

/**
 * The clock of all servers that work on one database: the database's own. It is looked at every few seconds; in between
 * the time passes steadily. What somebody does to the clock of one server's machine changes nothing, so that times
 * which all servers read, such as the ends of leases, mean the same to all.
 */
export class SharedClock implements Clock {
  readonly #own: Clock & { readonly steady: () => number };
  readonly #ask: () => Promise<number>;
  #offset: number;
  #isApart = false;

  private constructor(own: Clock, ask: () => Promise<number>) {
    const { steady } = own;
    if (steady === undefined) {
      throw new Error('the clock of a server that is not alone has to be steady');
    }
    this.#own = { now: () => own.now(), steady: () => steady.call(own) };
    this.#ask = ask;
    this.#offset = own.now() - this.steady();
  }

  /** `ask` gives the database's time, in milliseconds since the epoch. */
  static async open(own: Clock, ask: () => Promise<number>): Promise<SharedClock> {
    const clock = new SharedClock(own, ask);
    await clock.adjust();
    return clock;
  }

  now(): number {
    return Math.round(this.#offset + this.steady());
  }

  steady(): number {
    return this.#own.steady();
  }

  /** Looks at the database's clock. The answer is from the middle of the time that it took. */
  async adjust(): Promise<void> {
    const before = this.steady();
    const there = await this.#ask();
    this.#offset = there - (before + this.steady()) / 2;
  }

  /** By how much the machine's own clock is ahead, when that has become worth telling, or has ceased to be. */
  newDifference(): number | undefined {
    const ms = this.#own.now() - this.now();
    const isApart = Math.abs(ms) > TOLERANCE_MS;
    const isNew = isApart !== this.#isApart;
    this.#isApart = isApart;
    return isNew ? ms : undefined;
  }
}

/** The time of a PostgreSQL database. */
export async function databaseTime(queries: Queries): Promise<number> {
  const { rows } = await sql<{
    readonly ms: number;
  }>`select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`.execute(queries);
  const ms = rows[0]?.ms;
  if (ms === undefined) {
    throw new Error('the database does not know the time');
  }
  return ms;
}

export function keepTogether(clock: SharedClock, log: Pick<Log, 'warn'>): Service {
  return repeating({
    name: 'shared clock',
    everyMs: ADJUST_EVERY_MS,
    work: async () => {
      await clock.adjust();
      const differenceMs = clock.newDifference();
      if (differenceMs !== undefined) {
        log.warn(
          { differenceMs },
          'the clock of this machine is not that of the database, which counts',
        );
      }
    },
    onError: (error) => {
      log.warn({ error: messageOf(error) }, 'the clock of the database cannot be read now');
    },
  });
}
