import { describe, expect, it } from '@jest/globals';
import { laneOf, madeWorld } from '../../scripts/simulation/made-world.ts';
import { MemoryFarm } from '../../scripts/simulation/memory-farm.ts';
import { packageGraph } from '../../scripts/simulation/package-graph.ts';
import {
  type Outcome,
  type SimulatedAgent,
  Simulation,
  type World,
} from '../../scripts/simulation/simulate.ts';
import { estimateTime } from '../../src/builds/build-time.ts';
import { needsOf } from '../../src/builds/fits.ts';
import { packageNameOf } from '../../src/builds/place-jobs.ts';
import { isGiant, pathLengths, turnOf } from '../../src/builds/schedule-policy.ts';
import { type Farm, makePlan, makeProfile, SETTINGS } from './farm.ts';
import { farmMaker } from './farm-maker.ts';
import { RoomPort } from './room-port.ts';

const newFarm = farmMaker();
const GIB = 1024 ** 3;
const NOTHING_KNOWN = { own: new Map(), others: new Map(), byCategory: new Map(), overall: [] };
/** Every package does well there, so that agents are taken out for nothing; the memory farm knows no breaker. */
const NO_BREAKER = { failures: 1000, trialMs: 1 };
const RULES = { leaseMs: SETTINGS.leaseMs, maxAttempts: 4, retry: { initialMs: 0, maximumMs: 0 } };

describe('thousands of simulated agents', () => {
  it.each([1, 2])(
    'build everything in order, nothing twice, nothing lost (seed %i)',
    async (seed) => {
      const { farm, world } = madeWorld(
        { jobs: 2000, agents: 200, seed },
        { ...RULES, retry: { initialMs: 30_000, maximumMs: 600_000 } },
      );
      const simulation = new Simulation(farm, world);
      const outcome = await simulation.run();
      const states = farm.states();
      const built = Object.keys(states).filter((name) => states[name] === 'succeeded');
      expect(built.toSorted()).toEqual([...simulation.done].toSorted());
      for (const { name, needs, isBroken } of world.packages) {
        const isHeldUp = needs.some((need) => states[need] !== 'succeeded');
        if (isHeldUp) {
          expect([name, states[name]]).toEqual([name, 'skipped']);
        } else if (isBroken) {
          expect([name, states[name]]).toEqual([name, 'failed']);
        } else {
          expect(['succeeded', 'failed']).toContain(states[name]);
        }
      }
      expect(outcome.stale).toBeGreaterThan(10);
      expect(outcome.refused).toBeGreaterThan(10);
      expect(built.length).toBeGreaterThan(1500);
    },
  );
});

/** A world with two requests, small enough for the real room. */
class SmallWorld {
  readonly requests = [1, 2].map((seed) => namedGraph(seed));
  readonly trace: string[] = [];
  readonly agents: SimulatedAgent[] = [
    { name: 'a', slots: 2, skew: 1 },
    { name: 'b', slots: 1, skew: 1.3 },
    { name: 'c', slots: 1, skew: 5 },
    { name: 'd', slots: 2, skew: 0.7 },
  ];
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  async run(farm: ConstructorParameters<typeof Simulation>[0], startAt: number): Promise<Outcome> {
    const world: World = {
      packages: this.requests.flat(),
      agents: this.agents,
      faults: { vanish: 0.08, lie: 0.06, repeat: 0.06, fail: 0.05 },
      seed: this.#seed,
      startAt,
      leaseMs: SETTINGS.leaseMs,
      mostMs: 7 * 24 * 3_600_000,
      onTrace: (line) => {
        this.trace.push(line.replace(/^\d+/, (at) => String(Number(at) - startAt)));
      },
    };
    return await new Simulation(farm, world).run();
  }
}

function namedGraph(seed: number) {
  const names = ['www-client/firefox', 'llvm-core/llvm', 'acct-user/nginx'];
  const graph = packageGraph(9, seed).map((one, index) => ({
    ...one,
    name: `${names[index] ?? `a/p${index}`}-${seed}`,
  }));
  return graph.map(({ name, needs, ms }, index) => ({
    name,
    needs: needs.flatMap((need) => graph[need]?.name ?? []),
    ms: Math.min(ms, 300_000),
    isBroken: index === 5,
    isGiant: isGiant(estimateTime(packageNameOf(name), NOTHING_KNOWN).ms),
  }));
}

async function inRoom(world: SmallWorld): Promise<Record<string, string>> {
  const farm: Farm = await newFarm([makeProfile()], {
    maxAttempts: RULES.maxAttempts,
    retry: RULES.retry,
    breaker: NO_BREAKER,
  });
  const ids: string[] = [];
  for (const request of world.requests) {
    const edges = request.flatMap(({ name, needs }) =>
      needs.map((need) => [name, need, 'buildtime'] as const),
    );
    ids.push(
      (
        await farm.plan(
          makePlan(
            request.map(({ name }) => name),
            edges,
          ),
        )
      ).id,
    );
    farm.clock.advance(1000);
  }
  farm.clock.advance(120_000);
  for (const { name, slots } of world.agents) {
    await farm.agent(name, ['portage'], { slots, memoryBytes: GIB });
  }
  const port = await new RoomPort(farm).open();
  await world.run(port, farm.clock.now());
  return Object.assign({}, ...(await Promise.all(ids.map(async (id) => await farm.states(id)))));
}

async function inMemory(world: SmallWorld): Promise<Record<string, string>> {
  const farm = new MemoryFarm(RULES, 0);
  for (const [index, request] of world.requests.entries()) {
    const places = new Map(request.map(({ name }, place) => [name, place]));
    const jobs = request.map(({ name, needs }) => ({
      name,
      needs: needs.flatMap((need) => places.get(need) ?? []),
      estimateMs: estimateTime(packageNameOf(name), NOTHING_KNOWN).ms,
    }));
    const paths = pathLengths(jobs);
    farm.addJobs(
      `r${index}`,
      jobs.map(({ name, needs, estimateMs }, place) => ({
        name,
        needs,
        turn: turnOf({ requestedAt: index * 1000, priority: 0, pathMs: paths[place] ?? 0 }),
        lane: laneOf('web', isGiant(estimateMs)),
      })),
    );
  }
  const profile = makeProfile();
  expect(needsOf(profile, 'a/b').profile).toBe('web');
  for (const { name } of world.agents) {
    farm.addAgent(name, {
      profiles: [],
      executors: ['portage'],
      chost: profile.chost,
      compiler: null,
      memoryBytes: 8 * GIB,
      diskFreeBytes: null,
      labels: [],
    });
  }
  await world.run(farm, 1_000_000);
  return farm.states();
}

describe('the rules in memory', () => {
  it.each([11, 13])(
    'do the same as the real room with its database, step by step (seed %i)',
    async (seed) => {
      const [real, memory] = [new SmallWorld(seed), new SmallWorld(seed)];
      const states = await inRoom(real);
      expect(await inMemory(memory)).toEqual(states);
      expect(memory.trace).toEqual(real.trace);
      expect(real.trace.length).toBeGreaterThan(40);
    },
    120_000,
  );
});
