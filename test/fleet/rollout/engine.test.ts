import { afterEach, describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import { SECONDS } from '../../../scripts/simulation/fleet/simulated-fleet.ts';
import { heldNodes } from '../../../src/fleet/rollout/fleet-store.ts';
import { abort, approve, pause, resume } from '../../../src/fleet/rollout/steer-rollout.ts';
import { memberPlan } from './made-plans.ts';
import { RolloutWorld, type WorldOptions } from './rollout-world.ts';

const WHO = 'token:test';
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

/** Everything works but what this node is told to do by this command. */
function failing(node: string, command: string): WorldOptions {
  return {
    fates: {
      step: (on, { name }) => ({
        seconds: SECONDS[name] ?? 2,
        exitCode: on === node && name === command ? 1 : 0,
        isInterrupted: false,
        delivery: 'answered',
      }),
    },
  };
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

  it('begins nothing while it is paused, finishes what has begun, and goes on', async () => {
    const world = await newWorld();
    const plan = memberPlan(world.inventory);
    await world.start(plan);
    await world.until('rollout-unit-running');
    await pause(world.context, plan.id, 'lunch', WHO);
    await world.time.runUntil(() => false, 3_600_000).catch(() => undefined);
    expect(await world.units(plan)).toMatchObject({
      'wave-1/s1f1-1': 'done',
      'wave-1/s1f2-1': 'done',
      'wave-2/s1f1-2': 'waiting',
    });
    await resume(world.context, plan.id, WHO);
    await world.ended();
    expect(await world.state(plan)).toBe('done');
  });

  it('takes back what is under way when it is aborted, and every node serves', async () => {
    const world = await newWorld();
    const plan = memberPlan(world.inventory);
    await world.start(plan);
    await world.until('rollout-unit-running');
    await abort(world.context, plan.id, 'a mistake', WHO);
    await world.ended();
    expect(await world.state(plan)).toBe('aborted');
    expect(await world.units(plan)).toMatchObject({
      'wave-1/s1f1-1': 'undone',
      'wave-3/s1f1-3': 'skipped',
    });
    expect([...world.fleet.nodes.values()].every(({ isUp }) => isUp)).toBe(true);
    expect(await heldNodes(world.database)).toEqual([]);
  });

  it('is paused by a canary that fails, which is taken back', async () => {
    const world = await newWorld(failing('s1f1-1', 'check'));
    const plan = memberPlan(world.inventory, { hasCanary: true });
    await world.start(plan);
    await world.until('rollout-paused');
    expect(await world.because(plan)).toContain('canary/s1f1-1');
    expect(await world.units(plan)).toMatchObject({ 'canary/s1f1-1': 'undone' });
    expect(world.fleet.node({ node: 's1f1-1' })).toMatchObject({
      mergedTimestamp: 1000,
      isUp: true,
    });
  });

  it('holds a node that dies, leaves its farm, and goes on elsewhere', async () => {
    const world = await newWorld();
    const plan = memberPlan(world.inventory, { budget: { perFarm: 1, perProfile: 1, total: 1 } });
    await world.start(plan);
    await world.until('rollout-unit-running');
    world.time.after(60_000, () => {
      world.fleet.node({ node: 's1f1-1' }).die();
    });
    await world.ended();
    expect(await world.state(plan)).toBe('done-with-held');
    expect(await world.units(plan)).toEqual({
      'wave-1/s1f1-1': 'held',
      'wave-1/s1f2-1': 'done',
      'wave-2/s1f1-2': 'skipped',
      'wave-2/s1f2-2': 'done',
      'wave-3/s1f1-3': 'skipped',
      'wave-3/s1f2-3': 'done',
    });
    expect((await heldNodes(world.database)).map(({ node }) => node)).toEqual(['s1f1-1']);
  });

  it('tells a balancer again what it has forgotten', async () => {
    const world = await newWorld();
    const plan = memberPlan(world.inventory);
    await world.start(plan);
    const balancer = world.fleet.balancer({ name: 's1' }, 'lb1');
    await world.time.runUntil(() => balancer.adminOf('member:s1f1-1') === 'maint');
    balancer.restart();
    expect(balancer.adminOf('member:s1f1-1')).toBe('ready');
    await world.time.runUntil(() => balancer.adminOf('member:s1f1-1') === 'maint', 30_000);
    await world.ended();
    expect(await world.state(plan)).toBe('done');
  });

  it('waits for the approval of a stage', async () => {
    const world = await newWorld();
    const plan = memberPlan(world.inventory, { approvals: ['each-stage'] });
    await world.start(plan);
    await world.until('rollout-stage-passed');
    await world.time.runUntil(() => false, 3_600_000).catch(() => undefined);
    expect(await world.waits(plan)).toMatchObject([{ kind: 'approval' }]);
    await approve(world.context, plan, 'wave-2', WHO);
    await approve(world.context, plan, 'wave-3', WHO);
    await world.ended();
    expect(await world.state(plan)).toBe('done');
  });

  it('is paused by a gate that nobody can judge, and goes on when somebody can', async () => {
    let verdict: 'inconclusive' | 'pass' = 'inconclusive';
    const judge = { judge: async () => ({ verdict, sentence: 'Too few requests.' }) };
    const world = await newWorld({ judges: new Map([['latency', judge]]) });
    const plan = memberPlan(world.inventory, { gates: ['latency'] });
    await world.start(plan);
    await world.until('rollout-paused');
    expect(await world.because(plan)).toBe('wave-1: Too few requests.');
    verdict = 'pass';
    await resume(world.context, plan.id, WHO);
    await world.ended();
    expect(await world.state(plan)).toBe('done');
  });
});
