import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import type { RolloutPlan } from '../../../src/fleet/plan/plan.ts';
import type { RolloutPolicy } from '../../../src/fleet/plan/policy.ts';
import { abort, approve, start } from '../../../src/fleet/rollout/steer-rollout.ts';
import { memberPlan } from './made-plans.ts';
import { RolloutWorld } from './rollout-world.ts';

const FLEET = madeInventory({ sites: 1, farms: 2, members: 2 });
const [ANN, BOB] = ['token:ann', 'token:bob'];
let world: RolloutWorld;

beforeEach(async () => {
  world = await RolloutWorld.open(FLEET);
});
afterEach(async () => {
  await world.stop();
});

async function kept(...approvals: RolloutPolicy['approvals']): Promise<RolloutPlan> {
  const plan = memberPlan(FLEET, { approvals });
  await world.keep(plan);
  return plan;
}

describe('a rollout', () => {
  it('does not start before somebody has approved it', async () => {
    const plan = await kept('start');
    await expect(start(world.context, plan, ANN)).rejects.toMatchObject({
      code: 'rollout-not-approved',
      details: { id: plan.id, missing: 'start' },
    });
    expect(await world.state(plan)).toBe('draft');
    await approve(world.context, plan, 'start', ANN);
    await start(world.context, plan, ANN);
    expect(await world.state(plan)).toBe('running');
  });

  it.each([
    ['start', 'second'],
    ['second', 'start'],
  ])('is approved by two people: %s, and %s by another one', async (one, other) => {
    const plan = await kept('start', 'second');
    await approve(world.context, plan, one, ANN);
    await expect(approve(world.context, plan, other, ANN)).rejects.toMatchObject({
      code: 'approval-same-person',
      details: { of: other, actor: ANN },
    });
    await expect(start(world.context, plan, BOB)).rejects.toMatchObject({
      code: 'rollout-not-approved',
      details: { missing: other },
    });
    await approve(world.context, plan, other, BOB);
    await start(world.context, plan, ANN);
    expect(await world.state(plan)).toBe('running');
  });

  it('keeps who approved it first, whoever says so again', async () => {
    const plan = await kept('start', 'second');
    await approve(world.context, plan, 'start', ANN);
    await approve(world.context, plan, 'start', BOB);
    await approve(world.context, plan, 'second', BOB);
    const given = await world.database
      .selectFrom('rollout_approvals')
      .select(['of_stage', 'author'])
      .where('rollout', '=', plan.id)
      .orderBy('of_stage')
      .execute();
    expect(given).toEqual([
      { of_stage: 'second', author: BOB },
      { of_stage: 'start', author: ANN },
    ]);
  });

  it('has no stage of another name, and none to approve once it was thrown away', async () => {
    const plan = await kept('each-stage');
    await expect(approve(world.context, plan, 'wave-9', ANN)).rejects.toMatchObject({
      code: 'stage-unknown',
      details: { of: 'wave-9' },
    });
    await abort(world.context, plan.id, 'not today', ANN);
    expect(await world.state(plan)).toBe('discarded');
    await expect(approve(world.context, plan, 'wave-2', ANN)).rejects.toMatchObject({
      code: 'rollout-state',
      details: { state: 'discarded' },
    });
  });
});
