import type { Ability, JobNeeds } from '../../src/builds/fits.ts';
import { isGiant, type Lane, pathLengths, turnOf } from '../../src/builds/schedule-policy.ts';
import { MemoryFarm, type MemorySettings } from './memory-farm.ts';
import { packageGraph } from './package-graph.ts';
import { seeded } from './seeded.ts';
import type { SimulatedPackage, World } from './simulate.ts';

const PROFILES = ['web-v2', 'web-v3', 'web-v4'] as const;
const REQUEST_JOBS = 2500;
const START = Date.UTC(2026, 0, 2);
const HOUR = 3_600_000;

export interface WorldSize {
  readonly jobs: number;
  readonly agents: number;
  readonly seed: number;
}

/** A farm in memory with requests for three profiles, and the agents and faults to go with it. */
export function madeWorld(
  { jobs, agents, seed }: WorldSize,
  settings: MemorySettings,
): { readonly farm: MemoryFarm; readonly world: World } {
  const random = seeded(seed);
  const farm = new MemoryFarm(settings, START);
  const packages: SimulatedPackage[] = [];
  for (let request = 0; packages.length < jobs; request += 1) {
    const count = Math.min(REQUEST_JOBS, jobs - packages.length);
    packages.push(...addRequest(farm, { request, count, seed: seed + request, random }));
  }
  const made = Array.from({ length: agents }, (_, index) => ({
    name: `agent-${index}`,
    slots: random() < 0.2 ? 3 : 1,
    skew: random() < 0.03 ? 5 : 0.5 + random(),
  }));
  for (const [index, { name }] of made.entries()) {
    farm.addAgent(name, abilityOf(index, random));
  }
  return {
    farm,
    world: {
      packages,
      agents: made,
      faults: { vanish: 0.03, lie: 0.02, repeat: 0.02, fail: 0.01 },
      seed,
      startAt: START,
      leaseMs: settings.leaseMs,
      mostMs: 30 * 24 * HOUR,
    },
  };
}

function addRequest(
  farm: MemoryFarm,
  made: {
    readonly request: number;
    readonly count: number;
    readonly seed: number;
    readonly random: () => number;
  },
): SimulatedPackage[] {
  const { request, count, seed, random } = made;
  const graph = packageGraph(count, seed).map((one, index) => ({
    ...one,
    name: `r${request}/p${index}-1`,
  }));
  const paths = pathLengths(
    graph.map(({ expectedMs, needs }) => ({ estimateMs: expectedMs, needs })),
  );
  const profile = PROFILES[request % PROFILES.length] ?? PROFILES[0];
  const priority = request % 5 === 0 ? 1 : 0;
  farm.addJobs(
    `r${request}`,
    graph.map(({ name, needs, expectedMs }, index) => ({
      name,
      needs,
      turn: turnOf({ requestedAt: START + request * 1000, priority, pathMs: paths[index] ?? 0 }),
      lane: laneOf(profile, isGiant(expectedMs)),
    })),
  );
  return graph.map(({ name, needs, ms, expectedMs }) => ({
    name,
    needs: needs.flatMap((need) => graph[need]?.name ?? []),
    ms,
    isBroken: random() < 0.002,
    isGiant: isGiant(expectedMs),
  }));
}

export function laneOf(profile: string, isForGiants: boolean): Lane {
  return {
    id: `${profile} ${isForGiants ? 'giants' : 'usual'}`,
    needs: needsOf(profile, isForGiants),
    isGiant: isForGiants,
  };
}

const GIB = 1024 ** 3;

function needsOf(profile: string, isForGiants: boolean): JobNeeds {
  return {
    profile,
    executor: 'portage',
    chost: 'x86_64-pc-linux-gnu',
    hasOwnRoot: true,
    compiler: null,
    memoryBytes: isForGiants ? 8 * GIB : 0,
    diskBytes: 0,
    labels: [],
  };
}

/** Every third serves one profile only, every fourth is too small for giants. */
function abilityOf(index: number, random: () => number): Ability {
  const profile = PROFILES[Math.floor(random() * PROFILES.length)] ?? PROFILES[0];
  return {
    profiles: index % 3 === 0 ? [profile] : [],
    executors: ['portage'],
    chost: 'x86_64-pc-linux-gnu',
    compiler: null,
    memoryBytes: (index % 4 === 0 ? 4 : 64) * GIB,
    diskFreeBytes: null,
    labels: [],
  };
}
