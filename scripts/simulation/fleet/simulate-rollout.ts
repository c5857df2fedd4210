import type { RolloutKind } from '../../../src/fleet/plan/plan.ts';
import { unitStatesOf } from '../../../src/fleet/rollout/rollout-store.ts';
import { seeded } from '../seeded.ts';
import { largeRollout, type Planned, pick, randomRollout } from './random-rollout.ts';
import { SimulatedRollout } from './simulated-rollout.ts';
import { type Badness, randomFates, Troubles } from './troubles.ts';

export interface RolloutOutcome {
  readonly kind: RolloutKind;
  readonly state: string;
  readonly nodes: number;
  readonly units: Readonly<Record<string, number>>;
  /** Moments at which all invariants were asserted. */
  readonly events: number;
  readonly tookMs: number;
  readonly counts: Troubles['counts'];
  /** What must not have happened; undefined: nothing. */
  readonly broken: string | undefined;
}

/** No rollout takes longer, whatever happens. */
const MOST_MS = 14 * 24 * 3_600_000;
/** In a large fleet, what happens within a second is one event after the other. */
const LARGE_GRAIN_MS = 1000;

/** A small fleet, a plan, and troubles, all of this seed. */
export async function simulateRollout(seed: number): Promise<RolloutOutcome> {
  const random = seeded(seed);
  const planned = randomRollout(random);
  const badness = pick(random, [
    { steps: 0, world: 0 },
    { steps: 1, world: 0 },
    { steps: 0, world: 1 },
    { steps: 1, world: 1 },
    { steps: 0.3, world: 4 },
  ]);
  return await simulate(planned, random, badness);
}

/** A large fleet, with some failures. */
export async function simulateLarge(
  kind: RolloutKind,
  { nodes, farms, seed }: { readonly nodes: number; readonly farms: number; readonly seed: number },
): Promise<RolloutOutcome> {
  const badness = { steps: 0.05, world: 0.5 };
  return await simulate(largeRollout(kind, nodes, farms), seeded(seed), badness, LARGE_GRAIN_MS);
}

async function simulate(
  planned: Planned,
  random: () => number,
  badness: Badness,
  grainMs = 1,
): Promise<RolloutOutcome> {
  const world = await SimulatedRollout.open(planned, randomFates(random, badness), grainMs);
  const troubles = new Troubles(world, random, badness);
  const begunAt = world.time.now();
  try {
    await world.start();
    troubles.begin();
    await world.time.runUntil(() => world.isEnded || world.watched.broken !== undefined, MOST_MS);
  } catch (error) {
    world.watched.breaks(`it does not end: ${String(error)}; it is ${await world.waits()}`);
  }
  const units: Record<string, number> = {};
  for (const { state } of await unitStatesOf(world.database, planned.plan.id)) {
    units[state] = (units[state] ?? 0) + 1;
  }
  if (world.watched.broken === undefined) {
    await lookAtTheEnd(world, units, badness);
  }
  const { state, events, broken } = world.watched;
  const { kind } = planned.plan;
  await world.stop();
  return {
    kind,
    state,
    nodes: world.fleet.nodes.size,
    units,
    events,
    tookMs: world.time.now() - begunAt,
    counts: troubles.counts,
    broken,
  };
}

/** What has to be so when a rollout has ended. */
async function lookAtTheEnd(
  { watched, database, fleet, planned }: SimulatedRollout,
  units: Readonly<Record<string, number>>,
  { steps, world }: Badness,
): Promise<void> {
  watched.lookAtAll();
  const open = ['running', 'undoing', 'waiting'].filter((state) => units[state] !== undefined);
  if (open.length > 0) {
    watched.breaks(`it has ended, and units are ${open.join(' and ')}`);
  }
  const locks = await database.selectFrom('rollout_locks').selectAll().execute();
  if (locks.length > 0) {
    watched.breaks(`it has ended, and ${locks.length} locks are held`);
  }
  for (const { name, effects } of fleet.nodes.values()) {
    const twice = [...effects].find(([, times]) => times > 1);
    if (twice !== undefined) {
      watched.breaks(`${name} has done ${twice[0]} ${twice[1]} times`);
    }
  }
  const isCalm = steps === 0 && world === 0;
  const all = planned.plan.stages.flatMap((stage) => stage.units).length;
  if (isCalm && (watched.state !== 'done' || units['done'] !== all)) {
    watched.breaks(`nothing went wrong, and it is ${watched.state} with ${JSON.stringify(units)}`);
  }
}
