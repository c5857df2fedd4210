import { afterEach, describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import { memberPlan } from './made-plans.ts';
import { RolloutWorld, type WorldOptions } from './rollout-world.ts';

const worlds: RolloutWorld[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) {
    await world.stop();
  }
});

async function newWorld(options: WorldOptions = {}): Promise<RolloutWorld> {
  const world = await RolloutWorld.open(madeInventory({ sites: 1, farms: 2, members: 3 }), options);
  worlds.push(world);
  return world;
}

describe('a rollout', () => {
  it('upgrades one member of each farm after the other', async () => {
    const world = await newWorld();
    const plan = memberPlan(world.inventory);
    await world.start(plan);
    await world.ended();
    expect(await world.state(plan)).toBe('done');
    expect(new Set(Object.values(await world.units(plan)))).toEqual(new Set(['done']));
    for (const node of world.fleet.nodes.values()) {
      expect(node.mergedTimestamp).toBe(2000);
      expect(node.isUp).toBe(true);
    }
  });
});
