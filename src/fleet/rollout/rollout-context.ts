import type { Database, Queries } from '../../database/database.ts';
import type { Event, NewEvent } from '../../journal/event.ts';
import type { Journal } from '../../journal/journal.ts';
import type { Clock } from '../../support/clock.ts';
import { sleep } from '../../support/clock.ts';
import type { Locks } from '../../support/locks.ts';
import type { Log } from '../../support/log.ts';
import type { Drivers, GateJudge } from '../drivers/ports.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { PublicationRef } from '../plan/artefact.ts';
import type { GateName } from '../plan/policy.ts';

/** How the engine keeps time. None of it is part of a plan. */
export interface EngineSettings {
  /** How often a rollout looks whether something can go on, when nothing tells it, ms. */
  readonly lookMs: number;
  /** Between two questions about the same thing: the wait grows from the first to the most, ms. */
  readonly pollMs: { readonly first: number; readonly most: number };
  /** How much longer than its own time a step on a node may stay unknown before its unit is held, seconds. */
  readonly graceSeconds: number;
  /** How long a member may take to serve again after its unit was taken back, seconds. */
  readonly returnSeconds: number;
  /** How long a farm that is weakened by somebody else makes its stage wait, seconds. */
  readonly patienceSeconds: number;
  /** Between two looks at balancers by the reconciler and at the invariants by the monitor, ms. */
  readonly watchMs: number;
}

export const DEFAULT_SETTINGS: EngineSettings = {
  lookMs: 2000,
  pollMs: { first: 200, most: 5000 },
  graceSeconds: 300,
  returnSeconds: 180,
  patienceSeconds: 900,
  watchMs: 5000,
};

/** The clock that the engine waits by; that of a simulation does not let anybody wait. */
export interface Time {
  /** Epoch milliseconds. */
  now(): number;
  /** Resolves early, without an error, when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export function timeOf(clock: Clock): Time {
  return { now: () => clock.now(), sleep };
}

/** One transaction: where its statements go, its moment, and what it tells the journal. */
export interface Deed {
  readonly queries: Queries;
  readonly now: number;
  readonly tell: (...events: readonly NewEvent[]) => Promise<void>;
}

export type Transact = <T>(work: (deed: Deed) => Promise<T>) => Promise<T>;

/** Transactions on a database; their events are announced once they are on disk. */
export function transactor(
  database: Database,
  journal: Pick<Journal, 'writeAll' | 'announce'>,
  time: Pick<Time, 'now'>,
): Transact {
  return async (work) => {
    const events: Event[] = [];
    const result = await database.transaction().execute(
      async (queries) =>
        await work({
          queries,
          now: time.now(),
          tell: async (...told) => {
            if (told.length > 0) {
              events.push(...(await journal.writeAll(queries, told)));
            }
          },
        }),
    );
    journal.announce(...events);
    return result;
  };
}

/** What the engine works with. */
export interface EngineContext {
  readonly database: Database;
  readonly transact: Transact;
  readonly time: Time;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  readonly drivers: Drivers;
  /** Who judges; a gate without a judge is inconclusive. */
  readonly judges: ReadonlyMap<GateName, GateJudge>;
  readonly inventory: () => Promise<RecordedInventory>;
  /** TIMESTAMP of a publication, seconds: what a node that has it says. Null when it is not there any more. */
  readonly timestampOf: (publication: PublicationRef) => Promise<number | null>;
  /** Whether preproduction has proven a publication, or somebody let it through with a reason; null: nobody can tell. */
  readonly isProven: (publication: PublicationRef) => Promise<boolean | null>;
  /** Who tells a site's balancers something does so under its name. */
  readonly locks: Locks;
  readonly settings: EngineSettings;
}

export interface RecordedInventory {
  readonly inventory: Inventory;
  readonly digest: string;
}
