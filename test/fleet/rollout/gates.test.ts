import { afterEach, describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import { abort, resume } from '../../../src/fleet/rollout/steer-rollout.ts';
import { memberPlan, withGate } from './made-plans.ts';
import { RolloutWorld } from './rollout-world.ts';

const WHO = 'token:test';
let world: RolloutWorld;
afterEach(async () => {
  await world.stop();
});

describe('a gate of a unit that nobody can judge', () => {
  it('pauses the rollout again whenever somebody lets it go on, until somebody can tell', async () => {
    let verdict: 'inconclusive' | 'pass' = 'inconclusive';
    const judge = { judge: async () => ({ verdict, sentence: 'Too few requests.' }) };
    const fleet = madeInventory({ sites: 1, farms: 1, members: 2 });
    world = await RolloutWorld.open(fleet, { judges: new Map([['latency', judge]]) });
    const plan = withGate(memberPlan(fleet), 'latency');
    await world.start(plan);
    for (let times = 0; times < 3; times += 1) {
      await world.until('rollout-paused', 600_000);
      expect(await world.because(plan)).toBe('Too few requests.');
      await resume(world.context, plan.id, WHO);
    }
    verdict = 'pass';
    await world.ended();
    expect(await world.state(plan)).toBe('done');
  });

  it('is given up when somebody aborts the rollout', async () => {
    const judge = {
      judge: async () => ({ verdict: 'inconclusive' as const, sentence: 'Too few requests.' }),
    };
    const fleet = madeInventory({ sites: 1, farms: 1, members: 2 });
    world = await RolloutWorld.open(fleet, { judges: new Map([['latency', judge]]) });
    const plan = withGate(memberPlan(fleet), 'latency');
    await world.start(plan);
    await world.until('rollout-paused');
    await abort(world.context, plan.id, 'nobody can tell', WHO);
    await world.ended(600_000);
    expect(await world.state(plan)).toBe('aborted');
  });
});
