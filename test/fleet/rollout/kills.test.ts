import { describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import { often } from '../../support/long-tests.ts';
import { Killer } from './killable.ts';
import { memberPlan } from './made-plans.ts';
import { RolloutWorld } from './rollout-world.ts';

const INVENTORY = madeInventory({ sites: 1, farms: 2, members: 2, balancers: 1 });
const SETTINGS = { pollMs: { first: 20_000, most: 60_000 }, lookMs: 60_000 };

/** Every so manieth call is one to be killed at: all of them take some minutes. */
const STRIDE = often(1, 19);

/** Runs a plan with an engine that is killed at one call, and replaced. */
async function runKilled(killer: Killer): Promise<void> {
  const world = await RolloutWorld.open(INVENTORY, {
    settings: SETTINGS,
    wrap: (parts) => killer.wrap(parts),
  });
  let mostOut = 0;
  world.fleet.onChange = () => {
    for (const { members } of INVENTORY.sites[0]?.farms ?? []) {
      const out = members.filter(({ node }) => {
        const admin = world.fleet.balancer({ name: 's1' }, 'lb1').adminOf(`member:${node}`);
        return admin !== 'ready' || !world.fleet.node({ node }).isUp;
      });
      mostOut = Math.max(mostOut, out.length);
    }
  };
  let runs = 0;
  world.fleet.onStep = (_, __, times) => {
    runs = Math.max(runs, times);
  };
  const plan = memberPlan(INVENTORY, { budget: { perFarm: 0, perProfile: 0, total: 0 } });
  let isEnded = false;
  world.journal.listen(({ kind }) => {
    isEnded ||= /^rollout-(done|done-with-held|aborted)$/.test(kind);
  });
  try {
    await world.start(plan);
    await world.time.runUntil(() => isEnded || killer.isDead);
    if (killer.isDead) {
      killer.revive();
      await world.replaceEngine();
      await world.time.runUntil(() => isEnded);
    }
    expect(await world.state(plan)).toBe('done');
    expect(new Set(Object.values(await world.units(plan)))).toEqual(new Set(['done']));
    expect(mostOut).toBe(1);
    expect(runs).toBe(1);
    for (const node of world.fleet.nodes.values()) {
      expect(node.mergedTimestamp).toBe(2000);
      expect(node.look().bootId).toBe(`${node.name}-boot-2`);
      expect(node.isUp).toBe(true);
    }
    expect(await world.database.selectFrom('rollout_locks').selectAll().execute()).toEqual([]);
  } finally {
    await world.stop();
  }
}

describe('an engine that is killed', () => {
  it.each(['before', 'after'] as const)(
    'at any of its calls, %s it is made, is replaced by one that does each unit once',
    async (when) => {
      const whole = new Killer();
      await runKilled(whole);
      expect(whole.calls).toBeGreaterThan(100);
      for (let at = when === 'before' ? 1 : 4; at < whole.calls; at += STRIDE) {
        try {
          await runKilled(new Killer(at, when));
        } catch (error) {
          throw new Error(`killed ${when} call ${at} of ${whole.calls}`, { cause: error });
        }
      }
    },
    300_000,
  );
});
