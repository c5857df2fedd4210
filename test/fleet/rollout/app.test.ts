import { afterEach, describe, expect, it } from '@jest/globals';
import { SECONDS } from '../../../scripts/simulation/fleet/simulated-fleet.ts';
import type { RolloutPlan } from '../../../src/fleet/plan/plan.ts';
import { DEFAULT_POLICY } from '../../../src/fleet/plan/policy.ts';
import { heldNodes, liveBackends } from '../../../src/fleet/rollout/fleet-store.ts';
import { abort, resume } from '../../../src/fleet/rollout/steer-rollout.ts';
import { inputOf, planOf, RELEASES } from '../plan/topology.ts';
import { RolloutWorld } from './rollout-world.ts';

const SETTINGS = { pollMs: { first: 5000, most: 20_000 }, lookMs: 60_000, watchMs: 60_000 };
const FARM = { members: [{ index: 1 }, { index: 2 }] };
const POLICY = { ...DEFAULT_POLICY, approvals: [], gates: [], hasCanary: false, soakSeconds: 30 };
const INPUT = inputOf('app', { sites: [[FARM, FARM]] }, { policy: POLICY });

let world: RolloutWorld;
afterEach(async () => {
  await world.stop();
});

/** A site whose two farms get the next release; `bad` nodes fail their check the first time. */
async function open(bad: readonly string[] = []): Promise<RolloutPlan> {
  const failing = new Set(bad);
  world = await RolloutWorld.open(INPUT.inventory, {
    settings: SETTINGS,
    fates: {
      step: (on, { name }) => ({
        seconds: SECONDS[name] ?? 2,
        exitCode: name === 'check' && failing.delete(on) ? 1 : 0,
        isInterrupted: false,
        delivery: 'answered',
      }),
    },
  });
  for (const node of world.fleet.nodes.values()) {
    node.release = RELEASES.old.release;
  }
  const plan = planOf({ ...INPUT, inventoryDigest: 'inventory' });
  await world.start(plan);
  return plan;
}

/** Which releases a farm's nodes have, and which of its servers take visitors. */
function farm(name: string) {
  const balancer = world.fleet.balancer({ name: 's1' }, 'lb1');
  const nodes = [...world.fleet.nodes.values()].filter((node) => node.name.startsWith(name));
  return {
    releases: [...new Set(nodes.map(({ release }) => release))],
    blue: balancer.adminOf(`farm:${name}:blue`),
    green: balancer.adminOf(`farm:${name}:green`),
  };
}

async function live(): Promise<readonly string[]> {
  return (await liveBackends(world.database)).map(({ site, backend }) => `${site} ${backend}`);
}

const OLD = { releases: ['v1'], blue: 'ready', green: 'maint' };
const NEXT = { releases: ['v2'], blue: 'maint', green: 'ready' };

describe('a rollout of the application', () => {
  it('takes one farm after the other to the other backend, its cache emptied while nobody is in it', async () => {
    const seen = new Set<string>();
    const plan = await open();
    world.fleet.onFlush = (name) => {
      const { blue, green } = farm(name);
      seen.add(`flush ${name} ${blue} ${green}`);
    };
    let dark = 0;
    world.fleet.onChange = () => {
      const out = ['s1f1', 's1f2']
        .map(farm)
        .filter(({ blue, green }) => blue !== 'ready' && green !== 'ready');
      dark = Math.max(dark, out.length);
    };
    await world.until('rollout-stage-ended');
    expect([farm('s1f1'), farm('s1f2')]).toEqual([NEXT, OLD]);
    expect(await live()).toEqual([]);
    await world.ended();
    expect(await world.state(plan)).toBe('done');
    expect([farm('s1f1'), farm('s1f2')]).toEqual([NEXT, NEXT]);
    expect(await live()).toEqual(['s1 green']);
    expect([...seen]).toEqual(['flush s1f1 maint maint', 'flush s1f2 maint maint']);
    expect(dark).toBe(1);
  });

  it('takes a farm back unseen whose check fails, and goes on when a person says so', async () => {
    const plan = await open(['s1f1-2']);
    await world.until('rollout-paused');
    expect([farm('s1f1'), farm('s1f2')]).toEqual([OLD, OLD]);
    expect(await world.units(plan)).toMatchObject({ 'farm-s1f1/s1f1': 'undone' });
    expect(world.fleet.flushes.get('s1f1')).toBe(2);
    expect(await live()).toEqual([]);
    const until = world.time.now() + 60_000;
    await world.time.runUntil(() => world.time.now() >= until);
    await resume(world.context, plan.id, 'token:ann');
    await world.ended();
    expect(await world.state(plan)).toBe('done-with-held');
    expect([farm('s1f1'), farm('s1f2')]).toEqual([OLD, NEXT]);
    expect(await live()).toEqual([]);
  });

  it('leaves a site between two releases when it is aborted, with every farm in', async () => {
    const plan = await open();
    await world.time.runUntil(() => farm('s1f2').blue === 'maint', 3_600_000);
    await abort(world.context, plan.id, 'a mistake', 'token:ann');
    await world.ended();
    expect(await world.state(plan)).toBe('aborted');
    expect([farm('s1f1'), farm('s1f2')]).toEqual([NEXT, OLD]);
    expect(await heldNodes(world.database)).toEqual([]);
  });
});
