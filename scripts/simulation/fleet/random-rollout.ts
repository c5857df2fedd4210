import type { Inventory, Window } from '../../../src/fleet/inventory/inventory.ts';
import { makePlan } from '../../../src/fleet/plan/make-plan.ts';
import { ROLLOUT_KINDS, type RolloutKind, type RolloutPlan } from '../../../src/fleet/plan/plan.ts';
import { DEFAULT_POLICY, type RolloutPolicy } from '../../../src/fleet/plan/policy.ts';
import { type FarmShape, type FleetShape, inputOf } from '../../../test/fleet/plan/topology.ts';

export type Random = () => number;

export interface Planned {
  readonly inventory: Inventory;
  readonly plan: RolloutPlan;
}

/** Of these, one that chance picks. */
export function pick<T>(random: Random, all: readonly T[]): T {
  const found = all[Math.floor(random() * all.length)];
  if (found === undefined) {
    throw new Error('there is nothing to pick from');
  }
  return found;
}

/** Opens half an hour after a simulation begins. */
const AFTERNOON: Window = {
  days: [1, 2, 3, 4, 5, 6, 7],
  from: '13:30',
  to: '23:00',
  timeZone: 'Europe/Berlin',
};

/** A plan of any kind for a small fleet with ragged farms, and with a policy that chance has made. */
export function randomRollout(random: Random): Planned {
  for (let tries = 0; tries < 100; tries += 1) {
    const planned = plannedFor(pick(random, ROLLOUT_KINDS), randomShape(random), {
      policy: randomPolicy(random),
      balancers: pick(random, [1, 2, 2]),
      windows: random() < 0.2 ? [AFTERNOON] : [],
    });
    if (planned !== undefined) {
      return planned;
    }
  }
  throw new Error('chance makes no fleet that could be planned');
}

/** Sites of farms with 16 members each, all alike. */
export function largeRollout(kind: RolloutKind, nodes: number, farms: number): Planned {
  const size = Math.max(2, Math.round(nodes / farms));
  const members = Array.from({ length: size }, (_, index) => ({ index: index + 1 }));
  const sites = Math.max(1, Math.round(farms / 25));
  const shape = Array.from({ length: sites }, (_, site) =>
    Array.from({ length: Math.floor((farms + site) / sites) }, () => ({ members, minServing: 1 })),
  );
  const policy = { ...DEFAULT_POLICY, budget: { perFarm: 2, perProfile: nodes, total: nodes } };
  const planned = plannedFor(kind, { sites: shape }, { policy, balancers: 2, windows: [] });
  if (planned === undefined) {
    throw new Error(`${kind} cannot be planned for ${nodes} nodes in ${farms} farms`);
  }
  return planned;
}

function plannedFor(
  kind: RolloutKind,
  shape: FleetShape,
  change: {
    readonly policy: RolloutPolicy;
    readonly balancers: number;
    readonly windows: readonly Window[];
  },
): Planned | undefined {
  const made = inputOf(kind, shape);
  const inventory: Inventory = {
    sites: made.inventory.sites.map((site) => ({
      ...site,
      windows: change.windows,
      balancers: site.balancers.flatMap((balancer) =>
        Array.from({ length: change.balancers }, (_, index) => ({
          ...balancer,
          name: `lb${index + 1}`,
        })),
      ),
    })),
  };
  const result = makePlan({
    ...made,
    inventory,
    inventoryDigest: 'inventory',
    policy: change.policy,
  });
  return 'problems' in result ? undefined : { inventory, plan: result.plan };
}

function randomShape(random: Random): FleetShape {
  const some = <T>(least: number, most: number, make: () => T): T[] =>
    Array.from({ length: least + Math.floor(random() * (most - least + 1)) }, make);
  return {
    sites: some(1, 2, () => some(2, 4, () => randomFarm(random))),
    peakLoad: pick(random, [null, null, 0.1]),
    sessionSeconds: pick(random, [null, 600]),
    effect: pick(random, ['disruptive', 'reboot', 'service-restart']),
  };
}

function randomFarm(random: Random): FarmShape {
  const indexes = Array.from({ length: 8 }, (_, index) => index + 1).filter(
    (index) => index === 1 || index === 5 || random() < 0.4,
  );
  return {
    members: indexes.map((index) => ({
      index,
      profile: pick(random, ['zen3', 'zen3', 'zen4']),
      webServer: pick(random, ['nginx', 'nginx', 'apache', 'apache-mod-php']),
      rack: pick(random, ['a', 'b', null]),
      weight: pick(random, [1, 1, 2]),
      isEager: random() < 0.3,
    })),
    maxOut: pick(random, [1, 1, 2]),
    minServing: pick(random, [0, 1]),
  };
}

function randomPolicy(random: Random): RolloutPolicy {
  const limit = (): number | null => pick(random, [null, null, 1, 2]);
  return {
    ...DEFAULT_POLICY,
    limits: { total: limit(), perSite: limit(), perRack: limit(), perBinhost: limit() },
    barrier: pick(random, ['strict', 'farm']),
    hasCanary: random() < 0.7,
    budget: pick(random, [
      DEFAULT_POLICY.budget,
      { perFarm: 0, perProfile: 0, total: 0 },
      { perFarm: 2, perProfile: 9, total: 9 },
    ]),
    onFailure: pick(random, ['undo', 'undo', 'hold']),
    phpDrain: random() < 0.5,
    onDrainTimeout: pick(random, ['fail', 'cut']),
    newSessions: pick(random, ['upgraded-only', 'any-with-floor']),
    snapshot: pick(random, ['none', 'lvm']),
    gates: pick(random, [DEFAULT_POLICY.gates, []]),
  };
}
