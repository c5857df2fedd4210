import type { Queries } from '../database/database.ts';
import type { Clock } from '../support/clock.ts';

/** Smaller differences are measured, not set. */
const TOLERANCE_MS = 2000;

/** So long after a jump a server that does not lead lets the one that does move the times. */
const SETTLING_MS = 30_000;

/** Notices that somebody, or a machine that was asleep, has moved the clock. */
export class ClockJumps {
  readonly #clock: Clock;
  readonly #leads: () => boolean;
  #now: number;
  #steady: number | undefined;
  #notMoved = 0;
  #unsettledUntil = 0;

  /** Of several servers with one clock all notice, and the one that leads moves the times. */
  constructor(clock: Clock, leads: () => boolean = () => true) {
    this.#clock = clock;
    this.#leads = leads;
    this.#now = clock.now();
    this.#steady = clock.steady?.();
  }

  /**
   * By how many milliseconds the clock was moved since the last look; mostly 0. Whoever looks moves the times in the
   * same transaction, before it writes one: what was written before has the old time, what comes after the new one.
   */
  look(): number {
    const notMoved = this.#notMoved;
    this.#notMoved = 0;
    return notMoved + this.#jump();
  }

  /** Whether a look would find that the clock was moved. */
  isDue(): boolean {
    return this.#notMoved !== 0 || Math.abs(this.#read().jump) >= TOLERANCE_MS;
  }

  /** Whether times in the database may still be those from before a jump: then nothing is over because of its time. */
  isUnsettled(): boolean {
    return (this.#clock.steady?.() ?? 0) < this.#unsettledUntil;
  }

  /** The transaction that should have moved the times by this came to nothing. */
  giveBack(jumpMs: number): void {
    this.#notMoved += jumpMs;
  }

  /** The time, and by how much the clock has moved more than time has passed since the last look. */
  #read(): { readonly now: number; readonly steady: number | undefined; readonly jump: number } {
    const [now, steady] = [this.#clock.now(), this.#clock.steady?.()];
    const passed = now - this.#now;
    const jump =
      steady === undefined || this.#steady === undefined ? 0 : passed - (steady - this.#steady);
    return { now, steady, jump };
  }

  #jump(): number {
    const { now, steady, jump } = this.#read();
    this.#now = now;
    this.#steady = steady;
    if (Math.abs(jump) < TOLERANCE_MS) {
      return 0;
    }
    if (!this.#leads()) {
      this.#unsettledUntil = (steady ?? 0) + SETTLING_MS;
      return 0;
    }
    return Math.round(jump);
  }
}

/** Moves what is measured from now on: leases, back-offs, trials, and when agents were heard of. */
export async function moveTimes(queries: Queries, byMs: number): Promise<void> {
  await queries
    .updateTable('jobs')
    .set((eb) => ({ lease_expires_at: eb('lease_expires_at', '+', byMs) }))
    .where('state', '=', 'leased')
    .execute();
  await queries
    .updateTable('jobs')
    .set((eb) => ({ not_before: eb('not_before', '+', byMs) }))
    .where('not_before', 'is not', null)
    .execute();
  await queries
    .updateTable('attempts')
    .set((eb) => ({ started_at: eb('started_at', '+', byMs), log_at: eb('log_at', '+', byMs) }))
    .where('finished_at', 'is', null)
    .execute();
  await queries
    .updateTable('agents')
    .set((eb) => ({
      last_seen_at: eb('last_seen_at', '+', byMs),
      trial_at: eb('trial_at', '+', byMs),
    }))
    .execute();
}

/**
 * Nobody knows how the clock was set while no server ran: nothing is waited for longer than it can be from now on.
 */
export async function boundTimes(
  queries: Queries,
  until: { readonly lease: number; readonly retry: number; readonly trial: number },
): Promise<void> {
  await queries
    .updateTable('jobs')
    .set({ lease_expires_at: until.lease })
    .where('state', '=', 'leased')
    .where('lease_expires_at', '>', until.lease)
    .execute();
  await queries
    .updateTable('jobs')
    .set({ not_before: until.retry })
    .where('not_before', '>', until.retry)
    .execute();
  await queries
    .updateTable('agents')
    .set({ trial_at: until.trial })
    .where('trial_at', '>', until.trial)
    .execute();
}
