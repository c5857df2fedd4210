import { afterEach, describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import { SECONDS } from '../../../scripts/simulation/fleet/simulated-fleet.ts';
import type { RolloutPolicy } from '../../../src/fleet/plan/policy.ts';
import { approve, resume } from '../../../src/fleet/rollout/steer-rollout.ts';
import { memberPlan } from './made-plans.ts';
import { RolloutWorld } from './rollout-world.ts';

const FLEET = madeInventory({ sites: 1, farms: 3, members: 3 });
/** Waits are long: what is looked at is what was done. */
const SETTINGS = { pollMs: { first: 10_000, most: 30_000 }, lookMs: 60_000, watchMs: 60_000 };
const MANY = { perFarm: 9, perProfile: 9, total: 9 };
let world: RolloutWorld;
afterEach(async () => {
  await world.stop();
});

/** The check of these nodes ends badly: their units are taken back. */
async function run(bad: readonly string[], changes: Partial<RolloutPolicy>) {
  world = await RolloutWorld.open(FLEET, {
    settings: SETTINGS,
    fates: {
      step: (on, { name }) => ({
        seconds: SECONDS[name] ?? 2,
        exitCode: name === 'check' && bad.includes(on) ? 1 : 0,
        isInterrupted: false,
        delivery: 'answered',
      }),
    },
  });
  const plan = memberPlan(FLEET, changes);
  await world.start(plan);
  await world.until(/^rollout-(paused|done|done-with-held)$/);
  return plan;
}

/** Nothing more happens. */
async function wait(): Promise<void> {
  const until = world.time.now() + 1_200_000;
  await world.time.runUntil(() => world.time.now() >= until);
}

async function unitsIn(plan: Awaited<ReturnType<typeof run>>, state: string) {
  return Object.entries(await world.units(plan)).flatMap(([unit, is]) =>
    is === state ? [unit] : [],
  );
}

describe('a rollout', () => {
  it.each([
    ['a farm', ['s1f1-1', 's1f1-2'], { perFarm: 1 }, '2 units of s1f1 failed and 1 may'],
    ['a profile', ['s1f1-1', 's1f2-2'], { perProfile: 1 }, '2 units of zen3 failed and 1 may'],
    ['all', ['s1f1-1', 's1f2-2'], { total: 1 }, '2 units failed and 1 may'],
  ])(
    'goes on while the budget of %s is not spent, and is paused by one more failed unit',
    async (_, bad, budget, why) => {
      const plan = await run(bad, { budget: { ...MANY, ...budget } });
      expect(await world.state(plan)).toBe('paused');
      expect(await world.because(plan)).toContain(why);
      await wait();
      expect(await unitsIn(plan, 'undone')).toEqual(
        bad.map((node) => `wave-${node.at(-1)}/${node}`),
      );
      expect(await unitsIn(plan, 'waiting')).toEqual([
        'wave-3/s1f1-3',
        'wave-3/s1f2-3',
        'wave-3/s1f3-3',
      ]);
      expect([...world.fleet.nodes.values()].every(({ isUp }) => isUp)).toBe(true);
    },
  );

  it('does not count failures of other farms against a farm', async () => {
    const plan = await run(['s1f1-1', 's1f2-1', 's1f3-1'], { budget: { ...MANY, perFarm: 1 } });
    expect(await world.state(plan)).toBe('done-with-held');
    expect(await unitsIn(plan, 'done')).toHaveLength(6);
  });

  it('counts anew after a person has let it go on', async () => {
    const plan = await run(['s1f1-1', 's1f1-3'], { budget: { ...MANY, perFarm: 0 } });
    expect(await unitsIn(plan, 'undone')).toEqual(['wave-1/s1f1-1']);
    await wait();
    await resume(world.context, plan.id, 'token:ann');
    await world.until('rollout-paused');
    expect(await unitsIn(plan, 'undone')).toEqual(['wave-1/s1f1-1', 'wave-3/s1f1-3']);
  });

  it('is paused by a canary that fails, however large the budget is', async () => {
    const plan = await run(['s1f1-1'], { budget: MANY, hasCanary: true });
    expect(await world.state(plan)).toBe('paused');
    expect(await world.units(plan)).toMatchObject({ 'canary/s1f1-1': 'undone' });
    expect(await unitsIn(plan, 'waiting')).toHaveLength(8);
  });

  it('waits after its canaries until somebody has seen them, and then for nobody', async () => {
    world = await RolloutWorld.open(FLEET, { settings: SETTINGS });
    const plan = memberPlan(FLEET, { hasCanary: true, approvals: ['after-canary'] });
    await world.start(plan);
    await world.until('rollout-stage-passed');
    await wait();
    expect(await unitsIn(plan, 'done')).toEqual(['canary/s1f1-1']);
    expect(await world.waits(plan)).toMatchObject([{ kind: 'approval' }]);
    await approve(world.context, plan, 'wave-1', 'token:ann');
    await world.ended();
    expect(await world.state(plan)).toBe('done');
  });
});
