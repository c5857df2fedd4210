import { afterEach, describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import type { RolloutPolicy } from '../../../src/fleet/plan/policy.ts';
import { start } from '../../../src/fleet/rollout/steer-rollout.ts';
import { memberPlan, onlinePlan, onlyFarms } from './made-plans.ts';
import { RolloutWorld } from './rollout-world.ts';

const FLEET = madeInventory({ sites: 2, farms: 3, members: 2 });
const SETTINGS = { pollMs: { first: 2000, most: 10_000 }, lookMs: 60_000, watchMs: 60_000 };
const NONE = { total: null, perSite: null, perRack: null, perBinhost: null };
let world: RolloutWorld;
afterEach(async () => {
  await world.stop();
});

/** The names of the nodes that no balancer gives visitors, or that do not serve. */
function outNow(): readonly string[] {
  return [...world.fleet.nodes.values()].flatMap(({ name, isUp }) => {
    const balancer = world.fleet.balancer({ name: name.slice(0, 2) }, 'lb1');
    return isUp && balancer.adminOf(`member:${name}`) === 'ready' ? [] : [name];
  });
}

function mergingNow(): readonly string[] {
  return [...world.fleet.nodes.values()].flatMap(({ name, steps }) =>
    [...steps.values()].some(({ step, ended }) => step.command.name === 'merge' && !ended)
      ? [name]
      : [],
  );
}

interface Most {
  out: number;
  inSite: number;
  inRack: number;
  merging: number;
}

/** Runs the whole fleet under these limits: the most that was seen at any moment. */
async function mostOf(limits: Partial<RolloutPolicy['limits']>, make = memberPlan): Promise<Most> {
  world = await RolloutWorld.open(FLEET, { settings: SETTINGS });
  const most: Most = { out: 0, inSite: 0, inRack: 0, merging: 0 };
  const look = (): void => {
    const out = outNow();
    const count = (part: (node: string) => boolean): number => out.filter(part).length;
    most.out = Math.max(most.out, out.length);
    most.inSite = Math.max(
      most.inSite,
      ...['s1', 's2'].map((site) => count((node) => node.startsWith(site))),
    );
    most.inRack = Math.max(
      most.inRack,
      ...['1', '2'].map((rack) => count((node) => node.endsWith(rack))),
    );
    most.merging = Math.max(most.merging, mergingNow().length);
  };
  world.fleet.onChange = look;
  world.fleet.onStep = look;
  const plan = make(FLEET, { limits: { ...NONE, ...limits } });
  await world.start(plan);
  await world.ended();
  expect(await world.state(plan)).toBe('done');
  return most;
}

describe('a rollout', () => {
  it('has one member of each farm out when nothing limits it', async () => {
    expect(await mostOf({})).toEqual({ out: 6, inSite: 3, inRack: 6, merging: 6 });
  });

  it.each([
    [{ total: 4 }, { out: 4 }],
    [{ perSite: 2 }, { out: 4, inSite: 2 }],
    [{ perRack: 2 }, { out: 2, inRack: 2 }],
    [{ perBinhost: 3 }, { merging: 3 }],
  ])('has no more out at the same time than %j, and as many', async (limits, most) => {
    expect(await mostOf(limits)).toMatchObject(most);
  });

  it('counts nodes that fetch against the farm where no visitor notices them, too', async () => {
    expect(await mostOf({ perBinhost: 2 }, onlinePlan)).toMatchObject({ out: 0, merging: 2 });
  });

  it('gives its site free when it ends: the next one starts then', async () => {
    world = await RolloutWorld.open(FLEET, { settings: SETTINGS });
    const plans = ['s1f1', 's1f2'].map((farm) => memberPlan(onlyFarms(FLEET, farm)));
    const [first, second] = plans;
    if (first === undefined || second === undefined) {
      throw new Error('two plans were made');
    }
    await world.start(first);
    await world.keep(second);
    const begin = async (): Promise<void> => {
      await start(world.context, second, 'token:ann');
    };
    await world.until('rollout-unit-running');
    await expect(begin()).rejects.toMatchObject({
      code: 'rollout-locked',
      details: { rollout: first.id, unit: 'wave-1/s1f1-1', step: expect.any(String) },
    });
    await world.ended();
    await begin();
    await world.ended();
    expect(await world.state(second)).toBe('done');
  });
});
