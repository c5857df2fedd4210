import {
  type Fates,
  GOOD_FATES,
  SimulatedFleet,
} from '../../../scripts/simulation/fleet/simulated-fleet.ts';
import { SimulatedTime } from '../../../scripts/simulation/fleet/simulated-time.ts';
import type { Drivers } from '../../../src/fleet/drivers/ports.ts';
import {
  createRollouts,
  type RolloutsOptions,
} from '../../../src/fleet/rollout/create-rollouts.ts';
import type { RolloutService } from '../../../src/fleet/rollout/rollout.ts';
import type { Service } from '../../../src/support/lifecycle.ts';
import { silentLog } from '../../../src/support/log.ts';

/** The real engine, with a fleet that is simulated: as the inventory is when it is reached for the first time. */
export interface TestRollouts {
  readonly rollouts: RolloutService;
  readonly runner: Service;
  readonly time: SimulatedTime;
  readonly fleet: () => Promise<SimulatedFleet>;
  /** What befalls steps from now on. */
  readonly fates: Fates;
}

export type TestRolloutParts = Omit<RolloutsOptions, 'drivers' | 'log' | 'clock' | 'time'>;

export function openTestRollouts(
  parts: TestRolloutParts,
  options: {
    readonly time?: SimulatedTime;
    /** TIMESTAMP of publications by their serial. */
    readonly timestampOf?: (serial: number) => number;
  } = {},
): TestRollouts {
  const time = options.time ?? new SimulatedTime();
  const fates: Fates = { ...GOOD_FATES };
  let simulated: Promise<SimulatedFleet> | undefined;
  const fleet = async (): Promise<SimulatedFleet> => {
    simulated ??= parts.inventories.require().then(
      ({ inventory }) =>
        new SimulatedFleet(inventory, time, {
          fates: {
            step: (...asked) => fates.step(...asked),
            requestMs: () => fates.requestMs(),
            losesCache: () => fates.losesCache(),
          },
          ...(options.timestampOf === undefined ? {} : { timestampOf: options.timestampOf }),
        }),
    );
    return await simulated;
  };
  const log = silentLog();
  const settings = { lookMs: 5000, watchMs: 5000, graceSeconds: 30, ...parts.settings };
  const drivers = driversOf(fleet);
  const made = createRollouts({ ...parts, clock: time, time, log, drivers, settings });
  return { ...made, time, fleet, fates };
}

function driversOf(fleet: () => Promise<SimulatedFleet>): Drivers {
  const drivers = async (): Promise<Drivers> => (await fleet()).drivers();
  return {
    nodes: {
      start: async (...asked) => {
        await (await drivers()).nodes.start(...asked);
      },
      state: async (...asked) => await (await drivers()).nodes.state(...asked),
      look: async (...asked) => await (await drivers()).nodes.look(...asked),
    },
    balancers: {
      set: async (...asked) => {
        await (await drivers()).balancers.set(...asked);
      },
      read: async (...asked) => await (await drivers()).balancers.read(...asked),
    },
    caches: {
      flush: async (...asked) => {
        await (await drivers()).caches.flush(...asked);
      },
    },
    notifier: {
      tell: async (notice) => {
        await (await drivers()).notifier.tell(notice);
      },
    },
  };
}
