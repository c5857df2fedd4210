import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import type { RolloutPlan } from '../../../src/fleet/plan/plan.ts';
import { changeUnit } from '../../../src/fleet/rollout/rollout-store.ts';
import { start } from '../../../src/fleet/rollout/steer-rollout.ts';
import { memberPlan, onlinePlan, onlyFarms } from './made-plans.ts';
import { RolloutWorld } from './rollout-world.ts';

const FLEET = madeInventory({ sites: 2, farms: 2, members: 2 });
let world: RolloutWorld;

beforeEach(async () => {
  world = await RolloutWorld.open(FLEET);
});
afterEach(async () => {
  await world.stop();
});

async function started(plan: RolloutPlan, actor: string): Promise<void> {
  await world.keep(plan);
  await start(world.context, plan, actor);
}

async function lockNames(plan: RolloutPlan): Promise<readonly string[]> {
  const rows = await world.database
    .selectFrom('rollout_locks')
    .select('name')
    .where('rollout', '=', plan.id)
    .orderBy('name')
    .execute();
  return rows.map(({ name }) => name);
}

describe('rollouts', () => {
  it('that share a node do not run together: the second hears who has it, since when, at which step', async () => {
    const first = onlinePlan(onlyFarms(FLEET, 's1f1'));
    const second = onlinePlan(onlyFarms(FLEET, 's1f1', 's1f2'));
    const since = world.time.now();
    await started(first, 'token:ann');
    await changeUnit(world.database, first.id, 0, { state: 'running', step: 'merge' });
    world.time.after(120_000, () => undefined);
    await world.time.runUntil(() => world.time.now() >= since + 120_000);

    await expect(started(second, 'token:bob')).rejects.toMatchObject({
      code: 'rollout-locked',
      message: `node:s1f1-1 is in the rollout ${first.id.slice(0, 12)} that token:ann started 2 minutes ago, which is at wave-1/s1f1-1, merge.`,
      details: {
        lock: 'node:s1f1-1',
        rollout: first.id,
        owner: 'token:ann',
        since,
        unit: 'wave-1/s1f1-1',
        step: 'merge',
      },
    });
    expect(await world.state(second)).toBe('draft');
    expect(await lockNames(second)).toEqual([]);
  });

  it.each([
    ['done', 'rollout-stale'],
    ['undone', undefined],
  ])(
    'do not start on nodes that another has %s since they were planned: %s',
    async (state, code) => {
      const first = onlinePlan(onlyFarms(FLEET, 's1f1'));
      const second = onlinePlan(onlyFarms(FLEET, 's1f1', 's1f2'));
      await world.keep(first);
      await world.keep(second);
      const [started_at, ended_at] = [world.time.now() + 1, world.time.now() + 2];
      await changeUnit(world.database, first.id, 0, { state, started_at, ended_at });
      const answer = await start(world.context, second, 'token:bob').catch(
        (error: unknown) => error,
      );
      const message = `The rollout ${first.id.slice(0, 12)} has changed s1f1-1 since this was planned. Abort this draft, and plan it again.`;
      expect(answer).toEqual(
        code === undefined ? undefined : expect.objectContaining({ code, message }),
      );
      expect(await lockNames(second)).toHaveLength(code === undefined ? 4 : 0);
    },
  );

  it('that take members of one site out do not run together, whatever their nodes', async () => {
    const first = memberPlan(onlyFarms(FLEET, 's1f1'));
    const second = memberPlan(onlyFarms(FLEET, 's1f2'));
    await started(first, 'token:ann');
    await expect(started(second, 'token:bob')).rejects.toMatchObject({
      code: 'rollout-locked',
      details: { lock: 'site:s1', rollout: first.id, owner: 'token:ann', unit: null, step: null },
    });
  });

  it('run together in different sites, and beside what visitors do not notice', async () => {
    const plans = [
      memberPlan(onlyFarms(FLEET, 's1f1')),
      memberPlan(onlyFarms(FLEET, 's2f1')),
      onlinePlan(onlyFarms(FLEET, 's1f2', 's2f2')),
    ];
    for (const plan of plans) {
      await started(plan, 'token:ann');
    }
    const locks = await Promise.all(plans.map(lockNames));
    expect(locks).toEqual([
      ['node:s1f1-1', 'node:s1f1-2', 'site:s1'],
      ['node:s2f1-1', 'node:s2f1-2', 'site:s2'],
      ['node:s1f2-1', 'node:s1f2-2', 'node:s2f2-1', 'node:s2f2-2'],
    ]);
  });

  it('that are started at the same moment: one has all of its locks, the other none', async () => {
    const plans = [
      memberPlan(onlyFarms(FLEET, 's1f1', 's2f1')),
      memberPlan(onlyFarms(FLEET, 's1f1', 's1f2')),
    ];
    for (const plan of plans) {
      await world.keep(plan);
    }
    const outcomes = await Promise.allSettled(
      plans.map(async (plan) => {
        await start(world.context, plan, 'token:ann');
      }),
    );
    const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(refused).toMatchObject([{ code: 'rollout-locked' }]);
    const states = await Promise.all(plans.map(async (plan) => await world.state(plan)));
    expect(states.toSorted()).toEqual(['draft', 'running']);
    const counts = await Promise.all(plans.map(async (plan) => (await lockNames(plan)).length));
    expect(counts).toEqual(states.map((state) => (state === 'running' ? expect.any(Number) : 0)));
    expect(Math.max(...counts)).toBeGreaterThan(4);
  });
});
