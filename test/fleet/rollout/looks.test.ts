import { afterEach, describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import { GOOD_FATES } from '../../../scripts/simulation/fleet/simulated-fleet.ts';
import { memberPlan, onlinePlan } from './made-plans.ts';
import { RolloutWorld } from './rollout-world.ts';

/** Nobody looks by himself: what is looked at is because something has happened. */
const SETTINGS = { lookMs: 3_600_000, watchMs: 3_600_000 };
let world: RolloutWorld;
afterEach(async () => {
  await world.stop();
});

/** Counts how often the balancers of each site are asked. */
function countReads(): Map<string, number> {
  const reads = new Map<string, number>();
  for (const [key, balancer] of world.fleet.balancers) {
    const read = balancer.read.bind(balancer);
    balancer.read = () => {
      reads.set(key, (reads.get(key) ?? 0) + 1);
      return read();
    };
  }
  return reads;
}

describe('a rollout under way', () => {
  it('does not ask the balancers of a site whose units wait because something has happened at another one', async () => {
    const fleet = madeInventory({ sites: 2, farms: 4, members: 2, balancers: 1 });
    world = await RolloutWorld.open(fleet, {
      settings: SETTINGS,
      fates: {
        step: (node, command) => {
          const seconds = command.name === 'merge' ? 60 * Number(node.at(3)) : 2;
          return { ...GOOD_FATES.step(node, command), seconds };
        },
      },
    });
    for (const node of ['s1f1-1', 's1f2-1', 's1f3-1', 's1f4-1']) {
      world.fleet.node({ node }).stopServing();
    }
    const plan = memberPlan(fleet);
    await world.start(plan);
    await world.until('rollout-unit-running');
    const reads = countReads();
    for (let ended = 0; ended < 4; ended += 1) {
      await world.until('rollout-unit-done');
    }
    expect(reads.get('["s2","lb1"]')).toBeGreaterThan(10);
    expect(reads.get('["s1","lb1"]')).toBeUndefined();
  });

  it('begins a unit that waited as soon as its farm is whole again', async () => {
    const fleet = madeInventory({ sites: 1, farms: 2, members: 2, balancers: 1 });
    world = await RolloutWorld.open(fleet, { settings: { ...SETTINGS, lookMs: 60_000 } });
    const node = world.fleet.node({ node: 's1f1-1' });
    node.stopServing();
    const plan = memberPlan(fleet);
    await world.start(plan);
    await world.until('rollout-unit-done');
    expect(await world.units(plan)).toMatchObject({ 'wave-1/s1f1-1': 'waiting' });
    node.die();
    node.revive();
    await world.until('rollout-unit-running', 60_000);
    expect(await world.units(plan)).toMatchObject({ 'wave-1/s1f1-1': 'running' });
  });

  it('does not have all units wait on one signal, whose listeners are gone through at each wait', async () => {
    const fleet = madeInventory({ sites: 2, farms: 10, members: 1, balancers: 1 });
    world = await RolloutWorld.open(fleet, { settings: SETTINGS });
    const waiting = new Map<AbortSignal, number>();
    let most = 0;
    const sleep = world.time.sleep.bind(world.time);
    world.time.sleep = async (ms, signal) => {
      const of = signal ?? new AbortController().signal;
      const now = (waiting.get(of) ?? 0) + 1;
      waiting.set(of, now);
      most = Math.max(most, now);
      await sleep(ms, signal);
      waiting.set(of, (waiting.get(of) ?? 0) - 1);
    };
    const plan = onlinePlan(fleet);
    await world.start(plan);
    await world.ended();
    expect(await world.state(plan)).toBe('done');
    expect(waiting.size).toBeGreaterThan(20);
    expect(most).toBeLessThan(5);
  });
});
