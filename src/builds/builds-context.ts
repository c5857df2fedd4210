import type { Database, Queries } from '../database/database.ts';
import type { BuildLimits } from '../gentoo/build-limits.ts';
import type { ProfileCatalog } from '../gentoo/profile.ts';
import type { Event, NewEvent } from '../journal/event.ts';
import type { Journal } from '../journal/journal.ts';
import type { PhpTrees } from '../php/php-trees.ts';
import type { Repository } from '../repository/repository.ts';
import type { Backoff } from '../support/backoff.ts';
import type { Clock } from '../support/clock.ts';
import type { Locks } from '../support/locks.ts';
import type { Log } from '../support/log.ts';
import type { BuildLogs } from './build-log.ts';
import type { BreakerSettings } from './circuit-breaker.ts';
import { type ClockJumps, moveTimes } from './clock-jumps.ts';
import type { FarmLooks } from './farm-looks.ts';
import type { LogFindings } from './log-findings.ts';
import type { SeenAgents } from './seen-agents.ts';

export interface BuildSettings {
  /** How long a job is an agent's without a word from it. */
  readonly leaseMs: number;
  /** How often agents are told to report. */
  readonly heartbeatMs: number;
  /** Attempts that may be lost, because agents vanish or cannot build, before a job has failed. */
  readonly maxAttempts: number;
  /** The wait before a job that failed or was lost is tried again. */
  readonly retry: Backoff;
  readonly breaker: BreakerSettings;
  readonly maxLogBytes: number;
  /** What a build may take, where its profile says nothing and no earlier build took a quarter of it. */
  readonly limits: BuildLimits;
}

/** Where PHP trees go that are built. */
export type TreeStore = Pick<PhpTrees, 'reserve' | 'isListed' | 'importTree'>;

/** What the use cases of this room work with. */
export interface BuildsContext {
  readonly database: Database;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  readonly locks: Locks;
  readonly repository: Repository;
  readonly trees: TreeStore;
  readonly profiles: ProfileCatalog;
  readonly folders: { readonly state: string };
  readonly settings: BuildSettings;
  readonly logs: BuildLogs;
  readonly jumps: ClockJumps;
  readonly findings: LogFindings;
  readonly seen: SeenAgents;
  readonly looks: FarmLooks;
  /** Goes on with work after the answer was given; what fails is logged. The service waits for it when it stops. */
  readonly inBackground: (task: string, work: () => Promise<void>) => void;
}

/** One transaction: where its statements go, its moment, and what it tells the journal. */
export interface Deed {
  readonly queries: Queries;
  readonly now: number;
  readonly actor: string;
  readonly tell: (...events: readonly NewEvent[]) => Promise<void>;
}

/** Runs work in a transaction; its events are announced once it is on disk. */
export async function transact<T>(
  context: Pick<BuildsContext, 'database' | 'journal' | 'clock' | 'jumps' | 'log' | 'looks'>,
  actor: string,
  work: (deed: Deed) => Promise<T>,
): Promise<T> {
  const events: Event[] = [];
  let jumpMs = 0;
  const done = context.database.transaction().execute(async (queries) => {
    jumpMs = context.jumps.look();
    const now = context.clock.now();
    if (jumpMs !== 0) {
      context.log.warn({ jumpMs }, 'the clock was set; leases are moved with it');
      await moveTimes(queries, jumpMs);
    }
    return await work({
      queries,
      actor,
      now,
      tell: async (...told) => {
        events.push(...(await context.journal.writeAll(queries, told)));
      },
    });
  });
  const result = await done.catch((error: unknown) => {
    context.jumps.giveBack(jumpMs);
    throw error;
  });
  context.looks.forget();
  context.journal.announce(...events);
  return result;
}
