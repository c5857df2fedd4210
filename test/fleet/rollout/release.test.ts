import { afterEach, describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import { SECONDS } from '../../../scripts/simulation/fleet/simulated-fleet.ts';
import { DEFAULT_POLICY } from '../../../src/fleet/plan/policy.ts';
import { heldNodes } from '../../../src/fleet/rollout/fleet-store.ts';
import { releaseNode } from '../../../src/fleet/rollout/release-node.ts';
import { abort } from '../../../src/fleet/rollout/steer-rollout.ts';
import { inputOf, planOf } from '../plan/topology.ts';
import { memberPlan } from './made-plans.ts';
import { RolloutWorld } from './rollout-world.ts';

const WHO = 'token:ann';
const NODE = 's1f1-1';
/** Of the publication that the plan brings. */
const NEW = 2000;
let world: RolloutWorld;
let isIll = false;

afterEach(async () => {
  isIll = false;
  await world.stop();
});

/** A node that has died in the middle of its merge, held by a rollout that has ended. */
async function open(): Promise<void> {
  world = await RolloutWorld.open(madeInventory({ sites: 1, farms: 2, members: 3 }), {
    fates: {
      step: (on, { name }) => ({
        seconds: SECONDS[name] ?? 2,
        exitCode: isIll && on === NODE && name === 'check' ? 1 : 0,
        isInterrupted: false,
        delivery: 'answered',
      }),
    },
  });
  const plan = memberPlan(world.inventory, { budget: { perFarm: 1, perProfile: 1, total: 1 } });
  await world.start(plan);
  await world.until('rollout-unit-running');
  world.time.after(60_000, () => {
    node().die();
  });
  await world.ended();
}

const node = () => world.fleet.node({ node: NODE });
const admin = () => world.fleet.balancer({ name: 's1' }, 'lb1').adminOf(`member:${NODE}`);
const farm = () => {
  const balancer = world.fleet.balancer({ name: 's1' }, 'lb1');
  return { blue: balancer.adminOf('farm:s1f1:blue'), green: balancer.adminOf('farm:s1f1:green') };
};
const held = async () => (await heldNodes(world.database)).map((row) => row.node);

/** Undefined when it was given free; otherwise what is said against it. */
async function release(isForced = false, name = NODE): Promise<string | undefined> {
  let said: { readonly because: string | undefined } | undefined;
  const asking = async (): Promise<void> => {
    try {
      await releaseNode(world.context, { node: name, reason: 'repaired', isForced }, WHO);
      said = { because: undefined };
    } catch (error) {
      said = { because: String(error) };
    }
  };
  void asking();
  await world.time.runUntil(() => said !== undefined, 600_000);
  return said?.because;
}

describe('a held node', () => {
  it('is given free when it answers, serves, has what is right, and passes its checks', async () => {
    await open();
    expect(await release()).toContain(`${NODE} does not answer`);
    node().revive();
    node().isWebRunning = false;
    expect(await release()).toContain(`What serves on ${NODE} does not run.`);
    node().isWebRunning = true;
    expect(await release()).toContain(
      'publication: no whole publication. Right would be: publication 2 of zen3/stable',
    );
    node().mergedTimestamp = NEW;
    isIll = true;
    expect(await release()).toContain(`The checks of ${NODE} do not pass: check did not work`);
    expect([await held(), admin()]).toEqual([[NODE], 'maint']);
    isIll = false;
    expect(await release()).toBeUndefined();
    expect(await held()).toEqual([]);
    await world.time.runUntil(() => admin() === 'ready', 30_000);
  });

  it('has to serve the release that its farm serves', async () => {
    await open();
    node().revive();
    node().mergedTimestamp = NEW;
    node().release = 'v9';
    expect(await release()).toContain(`${NODE} has the release v9, and s1f1-2, which serves, has`);
    expect(await held()).toEqual([NODE]);
  });

  it('is given free by force without a look, which the journal says', async () => {
    await open();
    expect(await release(true)).toBeUndefined();
    expect(await held()).toEqual([]);
    const events = await world.journal.find({ kind: 'rollout-released', limit: 9 });
    expect(events).toMatchObject([
      { actor: WHO, data: { node: NODE, reason: 'repaired', isForced: true } },
    ]);
    expect(await release()).toContain('is not held');
  });

  it('stays out when an administrator takes it out later', async () => {
    await open();
    node().revive();
    node().mergedTimestamp = NEW;
    await release();
    await world.time.runUntil(() => admin() === 'ready', 30_000);
    const later = world.time.now() + 60_000;
    await world.time.runUntil(() => world.time.now() >= later);
    world.fleet
      .balancer({ name: 's1' }, 'lb1')
      .set([{ server: { kind: 'member', node: NODE }, to: 'drain' }]);
    await world.time.runUntil(() => world.time.now() >= later + 120_000);
    expect(admin()).toBe('drain');
  });
});

/** Its second member has died when the farm was taken out, and the rollout was aborted. */
async function openDark(): Promise<void> {
  const members = [{ index: 1 }, { index: 2 }];
  const policy = { ...DEFAULT_POLICY, approvals: [], gates: [], hasCanary: false };
  const input = inputOf('app', { sites: [[{ members }, { members }]] }, { policy });
  world = await RolloutWorld.open(input.inventory);
  for (const one of world.fleet.nodes.values()) {
    one.release = 'v1';
  }
  const plan = planOf({ ...input, inventoryDigest: 'inventory' });
  await world.start(plan);
  await world.time.runUntil(() => farm().blue === 'maint');
  world.fleet.node({ node: 's1f1-2' }).die();
  await world.until('rollout-paused');
  await abort(world.context, plan.id, 'a node has died', WHO);
  await world.ended();
  world.fleet.node({ node: 's1f1-2' }).revive();
}

describe('a farm that is out as a whole', () => {
  const OUT = { blue: 'maint', green: 'maint' };
  it.each([
    ['v1', { blue: 'ready', green: 'maint' }],
    ['v2', { blue: 'maint', green: 'ready' }],
  ])(
    'comes in where its release %s belongs, with the last member that is given free',
    async (has, expected) => {
      await openDark();
      expect([await held(), farm()]).toEqual([['s1f1-1', 's1f1-2'], OUT]);
      for (const index of [1, 2]) {
        const one = world.fleet.node({ node: `s1f1-${index}` });
        one.isWebRunning = true;
        one.release = has;
      }
      const flushes = world.fleet.flushes.get('s1f1') ?? 0;
      expect(await release(false, 's1f1-1')).toBeUndefined();
      expect(farm()).toEqual(OUT);
      expect(await release(false, 's1f1-2')).toBeUndefined();
      await world.time.runUntil(() => Object.values(farm()).includes('ready'), 30_000);
      expect(farm()).toEqual(expected);
      expect(world.fleet.flushes.get('s1f1')).toBe(flushes + 1);
    },
  );
});
