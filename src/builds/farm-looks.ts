import type { Database } from '../database/database.ts';
import type { Clock } from '../support/clock.ts';
import { idleAgents } from './agent-store.ts';
import type { LeaseKey } from './builds.ts';
import { hasOpenLanes } from './lane-store.ts';
import { firstLeaseEnd, undisturbedLeases } from './lease-store.ts';

/** So old an answer may be: what another server has changed without a word reaching this one is seen after this time. */
const OLDEST_MS = 1000;

/** A question to the database whose answer serves all who ask within a second. */
class SharedLook<T> {
  readonly #clock: Clock;
  readonly #ask: () => Promise<T>;
  #last: { readonly at: number; readonly answer: Promise<T> } | undefined;

  constructor(clock: Clock, ask: () => Promise<T>) {
    this.#clock = clock;
    this.#ask = ask;
  }

  async look(): Promise<T> {
    const now = this.#clock.now();
    const last = this.#last;
    if (last !== undefined && Math.abs(now - last.at) < OLDEST_MS) {
      return await last.answer;
    }
    const asked = { at: now, answer: this.#ask() };
    this.#last = asked;
    try {
      return await asked.answer;
    } catch (error) {
      if (this.#last === asked) {
        this.forget();
      }
      throw error;
    }
  }

  /** Who asks from now on is answered anew. */
  forget(): void {
    this.#last = undefined;
  }
}

/**
 * What hundreds of agents ask many times a second, though it seldom changes. After each deed of this server, and each
 * event that it hears of, the database is asked again.
 */
export class FarmLooks {
  /** Whether there is a job that somebody could begin. */
  readonly hasOpenLanes: SharedLook<boolean>;
  /** When the first of the leases ends. */
  readonly firstLeaseEnd: SharedLook<number | null>;
  /** The agents that get no jobs, with the reason. */
  readonly idleAgents: SharedLook<Awaited<ReturnType<typeof idleAgents>>>;
  readonly #undisturbed: SharedLook<ReadonlySet<string>>;

  constructor(database: Database, clock: Clock) {
    this.hasOpenLanes = new SharedLook(clock, async () => await hasOpenLanes(database));
    this.firstLeaseEnd = new SharedLook(clock, async () => await firstLeaseEnd(database));
    this.idleAgents = new SharedLook(clock, async () => await idleAgents(database));
    this.#undisturbed = new SharedLook(
      clock,
      async () => new Set((await undisturbedLeases(database)).map(nameOf)),
    );
  }

  /** Whether this attempt holds its job, and nobody has cancelled its request. */
  async isUndisturbed(key: LeaseKey): Promise<boolean> {
    return (await this.#undisturbed.look()).has(nameOf(key));
  }

  forget(): void {
    this.hasOpenLanes.forget();
    this.firstLeaseEnd.forget();
    this.idleAgents.forget();
    this.#undisturbed.forget();
  }
}

function nameOf({ jobId, attempt, agent }: LeaseKey): string {
  return `${jobId} ${attempt} ${agent}`;
}
