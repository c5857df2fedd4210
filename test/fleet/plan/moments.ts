import type {
  FarmMoment,
  FleetMoment,
  MemberMoment,
  RolloutMoment,
} from '../../../src/fleet/plan/moment.ts';
import type { RolloutPlan } from '../../../src/fleet/plan/plan.ts';
import { planIdOf } from '../../../src/fleet/plan/plan-id.ts';
import { DEFAULT_POLICY } from '../../../src/fleet/plan/policy.ts';

export function memberMoment(node: string, change: Partial<MemberMoment> = {}): MemberMoment {
  return {
    node,
    profile: 'zen3',
    weight: 1,
    admin: 'ready',
    isServing: true,
    isWebRunning: true,
    isBooting: false,
    release: 'v1',
    tree: '8.3.1-r1',
    outBy: null,
    held: null,
    owners: [],
    lacks: [],
    ...change,
  };
}

/** Four members that serve v1 in `blue`. `members` are changes of them, by index from 0. */
export function farmMoment(
  farm: string,
  change: Partial<FarmMoment> = {},
  members: Readonly<Record<number, Partial<MemberMoment>>> = {},
): FarmMoment {
  return {
    farm,
    maxOut: 1,
    minServing: 2,
    backends: { blue: { admin: 'ready' }, green: { admin: 'maint' } },
    members: [0, 1, 2, 3].map((index) => memberMoment(`${farm}-${index + 1}`, members[index])),
    cache: { writers: ['v1'], isStale: false },
    ...change,
  };
}

/** One site of three farms. */
export function fleetMoment(
  change: Partial<FleetMoment> = {},
  farms: readonly FarmMoment[] = [],
  peakLoad: number | null = 0.5,
): FleetMoment {
  const all = ['web1', 'web2', 'web3'].map(
    (name) => farms.find(({ farm }) => farm === name) ?? farmMoment(name),
  );
  return {
    at: 1,
    sites: [{ site: 'berlin', peakLoad, farms: all }],
    rollouts: [],
    begun: [],
    ran: [],
    visits: [],
    releases: ['v1', 'v2'],
    ...change,
  };
}

export function emptyPlan(change: Partial<RolloutPlan> = {}): RolloutPlan {
  const plan: Omit<RolloutPlan, 'id'> = {
    format: 1,
    kind: 'os-disruptive',
    artefacts: { publications: [], trees: [], release: null },
    inventory: 'i',
    policy: DEFAULT_POLICY,
    stages: [],
    impact: [],
    reverses: null,
    remarks: [],
    ...change,
  };
  return { ...plan, id: planIdOf(plan) };
}

export function rolloutMoment(
  change: Partial<RolloutMoment> = {},
  plan: RolloutPlan = emptyPlan(),
): RolloutMoment {
  return {
    id: plan.id,
    plan,
    state: 'running',
    approved: [plan.id],
    isProven: true,
    failed: [],
    touched: new Set(),
    ...change,
  };
}
