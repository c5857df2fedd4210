import { afterEach, describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import type { GateVerdict } from '../../../src/fleet/drivers/ports.ts';
import { DEFAULT_POLICY } from '../../../src/fleet/plan/policy.ts';
import { fleetGates } from '../../../src/fleet/rollout/fleet-gates.ts';
import { heldNodes } from '../../../src/fleet/rollout/fleet-store.ts';
import { Readings } from '../../../src/fleet/rollout/readings.ts';
import { resume } from '../../../src/fleet/rollout/steer-rollout.ts';
import { inputOf, planOf, RELEASES } from '../plan/topology.ts';
import { memberPlan, withGate } from './made-plans.ts';
import { RolloutWorld } from './rollout-world.ts';

const MINUTE = 60_000;
const FLEET = madeInventory({ sites: 1, farms: 1, members: 3 });
const TWO = { members: [{ index: 1 }, { index: 2 }], maxOut: 2 };
const [MINE, OTHER] = ['s1f1-1', 's1f1-2'];
let world: RolloutWorld;
afterEach(async () => {
  await world.stop();
});

/** A world whose gate `latency` says what stands here. */
async function newWorld(judged: { verdict: GateVerdict['verdict'] }): Promise<void> {
  const judge = { judge: async () => ({ verdict: judged.verdict, sentence: 'As it is said.' }) };
  world = await RolloutWorld.open(FLEET, { judges: new Map([['latency', judge]]) });
}

function adminOf(node: string): string {
  return world.fleet.balancer({ name: 's1' }, 'lb1').adminOf(`member:${node}`);
}

/** How the servers of a farm stand in the backends. */
function backendsOf(farm: string): readonly string[] {
  const balancer = world.fleet.balancer({ name: 's1' }, 'lb1');
  return ['blue', 'green'].map((backend) => balancer.adminOf(`farm:${farm}:${backend}`));
}

async function pass(ms: number): Promise<void> {
  const until = world.time.now() + ms;
  await world.time.runUntil(() => world.time.now() >= until);
}

/** A gate behind the first member's upgrade fails, so that it is to be taken back; meanwhile another one of its farm stops serving. */
async function failWithOtherOut(): Promise<void> {
  await newWorld({ verdict: 'fail' });
  await world.start(withGate(memberPlan(FLEET), 'latency', 'after'));
  await world.time.runUntil(() => adminOf(MINE) === 'maint');
  world.fleet.node({ node: OTHER }).stopServing();
}

describe('a member', () => {
  it('is not drained while another one of its farm is out, however long its unit has waited at a gate', async () => {
    const judged: { verdict: GateVerdict['verdict'] } = { verdict: 'inconclusive' };
    await newWorld(judged);
    const plan = withGate(memberPlan(FLEET), 'latency');
    await world.start(plan);
    await world.until('rollout-paused');
    world.fleet.node({ node: OTHER }).stopServing();
    judged.verdict = 'pass';
    await resume(world.context, plan.id, 'token:test');
    await pass(5 * MINUTE);
    expect(adminOf(MINE)).toBe('ready');
    expect(await world.units(plan)).toMatchObject({ [`wave-1/${MINE}`]: 'running' });
    world.fleet.node({ node: OTHER }).die();
    world.fleet.node({ node: OTHER }).revive();
    await world.ended();
    expect(await world.state(plan)).toBe('done');
  });

  it('is taken out again, to be taken back, when its farm can spare it', async () => {
    await failWithOtherOut();
    await world.until('rollout-unit-undoing');
    await pass(5 * MINUTE);
    expect(adminOf(MINE)).toBe('ready');
    world.fleet.node({ node: OTHER }).die();
    world.fleet.node({ node: OTHER }).revive();
    await world.until('rollout-unit-undone');
    expect(world.fleet.node({ node: MINE })).toMatchObject({ mergedTimestamp: 1000, isUp: true });
  });

  it('is not taken out while nobody can say who else is, and is not wanted out afterwards either', async () => {
    await failWithOtherOut();
    await world.until('rollout-unit-undoing');
    const balancer = world.fleet.balancer({ name: 's1' }, 'lb1');
    balancer.isAway = true;
    await world.until('rollout-unit-held');
    balancer.isAway = false;
    await pass(5 * MINUTE);
    expect(adminOf(MINE)).toBe('ready');
    expect(await heldNodes(world.database)).toMatchObject([
      { node: MINE, because: expect.stringContaining('does not answer') },
    ]);
  });

  it('is held as it is, and serves, when its farm cannot spare it for long', async () => {
    await failWithOtherOut();
    await world.until('rollout-unit-held');
    expect(adminOf(MINE)).toBe('ready');
    expect(world.fleet.node({ node: MINE })).toMatchObject({ mergedTimestamp: 2000, isUp: true });
    expect(await heldNodes(world.database)).toMatchObject([
      { node: MINE, because: expect.stringContaining('2 members of s1f1 would be out') },
    ]);
  });
});

describe('a farm', () => {
  it('is not taken out while another one is to be, whatever a balancer that was started anew has forgotten', async () => {
    const policy = {
      ...DEFAULT_POLICY,
      approvals: [],
      gates: [],
      hasCanary: false,
      soakSeconds: 30,
    };
    const input = inputOf('app', { sites: [[TWO, TWO, TWO]] }, { policy });
    world = await RolloutWorld.open(input.inventory, {
      fates: {
        // The first farm does not get on, and not back either: it is held dark.
        step: (node, { name }) => ({
          seconds: 2,
          exitCode: name === 'start-web' && node === 's1f1-2' ? 1 : 0,
          isInterrupted: false,
          delivery: 'answered',
        }),
      },
      // Balancers are asked more often than they are told again.
      settings: { pollMs: { first: 1000, most: 5000 }, watchMs: 60_000 },
    });
    for (const node of world.fleet.nodes.values()) {
      node.release = RELEASES.old.release;
    }
    const plan = planOf({ ...input, inventoryDigest: 'inventory' });
    await world.start(plan);
    await world.until('rollout-paused');
    await resume(world.context, plan.id, 'token:test');
    await pass(2 * MINUTE);
    expect(await world.units(plan)).toMatchObject({
      'farm-s1f1/s1f1': 'held',
      'farm-s1f2/s1f2': 'running',
    });
    expect(backendsOf('s1f1')).toEqual(['maint', 'maint']);
    for (const { name } of world.inventory.sites[0]?.balancers ?? []) {
      world.fleet.balancer({ name: 's1' }, name).restart();
    }
    expect(backendsOf('s1f1')).toEqual(['ready', 'maint']);
    await pass(5 * MINUTE);
    expect([backendsOf('s1f1'), backendsOf('s1f2')]).toEqual([
      ['maint', 'maint'],
      ['ready', 'maint'],
    ]);
  });
});

describe('the gates of a stage', () => {
  it('do not count members against it that the rollout has out itself', async () => {
    const fleet = madeInventory({ sites: 1, farms: 2, members: 2 });
    const slow = 's1f2-1';
    world = await RolloutWorld.open(fleet, {
      fates: {
        step: (node, { name }) => ({
          // The first stage ends long after the other farm has begun with its second member.
          seconds: name === 'merge' ? (node === slow ? 300 : 240) : 2,
          exitCode: 0,
          isInterrupted: false,
          delivery: 'answered',
        }),
      },
    });
    world.setJudges(fleetGates(world.drivers, new Readings(world.drivers.balancers, world.time)));
    const plan = memberPlan(fleet, { barrier: 'farm', gates: ['peers'], soakSeconds: 10 });
    await world.start(plan);
    await world.until('rollout-stage-passed');
    expect(await world.units(plan)).toMatchObject({ 'wave-2/s1f1-2': 'running' });
    await world.ended();
    expect(await world.state(plan)).toBe('done');
  });
});
