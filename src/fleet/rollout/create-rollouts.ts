import type { Database } from '../../database/database.ts';
import type { ProfileCatalog } from '../../gentoo/profile.ts';
import type { Journal } from '../../journal/journal.ts';
import type { Clock } from '../../support/clock.ts';
import type { Service } from '../../support/lifecycle.ts';
import { Locks } from '../../support/locks.ts';
import type { Log } from '../../support/log.ts';
import type { Drivers, GateJudge } from '../drivers/ports.ts';
import type { Inventories } from '../inventory/inventories.ts';
import type { GateName } from '../plan/policy.ts';
import { fleetGates } from './fleet-gates.ts';
import { isPublicationProven } from './plan-proof.ts';
import { Readings } from './readings.ts';
import type { RolloutService } from './rollout.ts';
import {
  DEFAULT_SETTINGS,
  type EngineContext,
  type EngineSettings,
  type Time,
  timeOf,
  transactor,
} from './rollout-context.ts';
import { RolloutRunner } from './rollout-runner.ts';
import type { RolloutSources } from './rollout-sources.ts';
import { Rollouts } from './rollouts.ts';

export interface RolloutsOptions extends RolloutSources {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  readonly inventories: Inventories;
  readonly profiles: ProfileCatalog;
  readonly drivers: Drivers;
  /** Judges of signals from outside of the engine; the gates of what balancers and nodes say are its own. */
  readonly judges?: ReadonlyMap<GateName, GateJudge>;
  readonly settings?: Partial<EngineSettings>;
  /** What the engine waits by; usually the clock. */
  readonly time?: Time;
}

/** What people ask of rollouts, and the service that carries them out: it runs on the server that leads. */
export function createRollouts(options: RolloutsOptions): {
  readonly rollouts: RolloutService;
  readonly runner: Service;
} {
  const { database, journal, clock, log, inventories, drivers, profiles } = options;
  const time = options.time ?? timeOf(clock);
  const locks = new Locks();
  const proof = { database, journal, clock, profiles, locks };
  const context: EngineContext = {
    database,
    transact: transactor(database, journal, time),
    time,
    log,
    drivers,
    judges: new Map([
      ...fleetGates(drivers, new Readings(drivers.balancers, time)),
      ...(options.judges ?? []),
    ]),
    inventory: async () => await inventories.require(),
    timestampOf: async (publication) => await timestampOf(database, publication),
    isProven: async (publication) => await isPublicationProven(proof, publication),
    locks,
    settings: { ...DEFAULT_SETTINGS, ...options.settings },
  };
  const runner = new RolloutRunner(context, journal);
  return { runner, rollouts: new Rollouts({ ...context, sources: options }) };
}

async function timestampOf(
  database: Database,
  { profile, channel, serial }: Parameters<EngineContext['timestampOf']>[0],
): Promise<number | null> {
  const row = await database
    .selectFrom('publications')
    .select('timestamp_seconds')
    .where('profile', '=', profile)
    .where('channel', '=', channel)
    .where('serial', '=', serial)
    .executeTakeFirst();
  return row?.timestamp_seconds ?? null;
}
