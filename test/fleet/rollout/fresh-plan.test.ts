import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import { planIdOf } from '../../../src/fleet/plan/plan-id.ts';
import { freshPlan } from '../../../src/fleet/rollout/fresh-plan.ts';
import { abort } from '../../../src/fleet/rollout/steer-rollout.ts';
import { memberPlan } from './made-plans.ts';
import { RolloutWorld } from './rollout-world.ts';

const FLEET = madeInventory({ sites: 1, farms: 2, members: 2 });
const ANN = 'token:ann';
let world: RolloutWorld;

beforeAll(async () => {
  world = await RolloutWorld.open(FLEET);
});
afterAll(async () => {
  await world.stop();
});

describe('what was planned before', () => {
  it('is the same draft while that is open, and another one after each that came to its end', async () => {
    const plan = memberPlan(FLEET, { approvals: [] });
    expect(await freshPlan(world.database, plan)).toBe(plan);
    await world.keep(plan);
    expect(await freshPlan(world.database, plan)).toBe(plan);
    await abort(world.context, plan.id, 'a test', ANN);
    expect(await world.state(plan)).toBe('discarded');

    const second = await freshPlan(world.database, plan);
    expect(second).toEqual({ ...plan, id: planIdOf(second), again: 1 });
    expect(second.id).not.toBe(plan.id);
    await world.keep(second);
    expect(await freshPlan(world.database, plan)).toEqual(second);
    await abort(world.context, second.id, 'a test', ANN);

    const third = await freshPlan(world.database, plan);
    expect(new Set([plan.id, second.id, third.id]).size).toBe(3);
  });
});
