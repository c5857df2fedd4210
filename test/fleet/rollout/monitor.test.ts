import { afterEach, describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import type { RolloutPlan } from '../../../src/fleet/plan/plan.ts';
import { isPublicationProven } from '../../../src/fleet/rollout/plan-proof.ts';
import { readReading } from '../../../src/fleet/rollout/reading-store.ts';
import { resume } from '../../../src/fleet/rollout/steer-rollout.ts';
import { AppError } from '../../../src/support/errors.ts';
import { Locks } from '../../../src/support/locks.ts';
import { catalogOf, makeProfile } from '../../repository/make-package.ts';
import { memberPlan } from './made-plans.ts';
import { type Said, sayOf } from './node-reports.ts';
import { RolloutWorld, type WorldOptions } from './rollout-world.ts';

const ONE = madeInventory({ sites: 1, farms: 1, members: 3 });
const FOUR = madeInventory({ sites: 1, farms: 1, members: 4 });
const TWO = madeInventory({ sites: 1, farms: 2, members: 2 });
const GOOD: Said = {
  release: 'v1',
  tree: 'php-1',
  needs: 'x86_64: a.so.1',
  provides: 'x86_64: a.so.1',
};
/** A moment in which the monitor looks, and what it saw is written down. */
const LOOK_MS = 25_000;

let world: RolloutWorld;

afterEach(async () => {
  await world.stop();
});

async function say(farm: string, said: Said, members = [1, 2, 3, 4]): Promise<void> {
  for (const index of members) {
    await sayOf(world.database, `${farm}-${index}`, world.time.now(), said);
  }
}

/** A rollout under way, at its first merge; all nodes have said the same. */
async function open(inventory = ONE, options: WorldOptions = {}): Promise<RolloutPlan> {
  world = await RolloutWorld.open(inventory, options);
  const plan = memberPlan(inventory);
  await say('s1f1', GOOD);
  await say('s1f2', GOOD);
  await world.start(plan);
  await world.pass(LOOK_MS);
  return plan;
}

async function paused(plan: RolloutPlan): Promise<void> {
  for (let turn = 0; turn < 10 && (await world.state(plan)) !== 'paused'; turn += 1) {
    await world.pass(LOOK_MS);
  }
  expect(await world.state(plan)).toBe('paused');
}

async function seen(plan: RolloutPlan) {
  const { invariants = [] } = (await readReading(world.database, plan.id)) ?? {};
  const broken = invariants.filter(({ violations }) => violations.length > 0);
  const unseen = invariants.filter((one) => one.unseen !== null);
  return {
    broken: broken.map(({ name }) => name),
    unseen: Object.fromEntries(unseen.map((one) => [one.name, one.unseen])),
  };
}

describe('the monitor of a rollout', () => {
  it('sees what nodes have said and what steps have come to, and nothing against it', async () => {
    const plan = await open();
    const unproven = { I7: expect.stringContaining('needs no proof of preproduction') };
    expect(await seen(plan)).toEqual({ broken: [], unseen: unproven });
    await world.ended();
    expect(await world.state(plan)).toBe('done');
  });

  it('says what nobody has said', async () => {
    world = await RolloutWorld.open(ONE);
    const plan = memberPlan(ONE);
    await world.start(plan);
    await say('s1f1', { release: 'v1' }, [1, 2]);
    await world.pass(LOOK_MS);
    const { broken, unseen } = await seen(plan);
    expect(broken).toEqual([]);
    expect(unseen).toEqual({
      I4: 's1f1-3 has not said which release it serves.',
      I5: 's1f1-3 has not said which release it serves.',
      I6: 's1f1-3 has not said which release it serves.',
      I7: expect.any(String),
      I15: 's1f1-3 has not said what its PHP trees need, and what provides it.',
    });
    world.fleet.balancer({ name: 's1' }, 'lb1').isAway = true;
    await world.pass(LOOK_MS);
    const silent = 'A balancer of s1 does not answer.';
    expect((await seen(plan)).unseen).toMatchObject({ I1: silent, I2: silent, I3: silent });
  });

  it.each([
    {
      name: 'I1',
      because: 'I1: 2 members of s1f1 are out (s1f1-1; s1f1-3), and it can spare 1.',
      breaks: async () => {
        const server = { kind: 'member' as const, node: 's1f1-3' };
        world.fleet.balancer({ name: 's1' }, 'lb1').set([{ server, to: 'drain' }]);
      },
    },
    {
      name: 'I4',
      because: 'I4: blue of s1 serves more than one release: v1 (s1f1: s1f1-2), v9 (s1f2: s1f2-2).',
      inventory: TWO,
      breaks: async () => {
        await say('s1f2', { ...GOOD, release: 'v9' });
      },
    },
    {
      name: 'I5',
      because: 'I5: s1f1 (s1f1-2, s1f1-3) serves v9 and its cache may have what v1 wrote.',
      breaks: async () => {
        await say('s1f1', { ...GOOD, release: 'v9' });
      },
    },
    {
      name: 'I6',
      because:
        'I6: s1f1 serves with more than two PHP trees of zen3: php-1 (s1f1-2), php-2 (s1f1-3), php-3 (s1f1-4).',
      inventory: FOUR,
      breaks: async () => {
        await say('s1f1', { ...GOOD, tree: 'php-2' }, [3]);
        await say('s1f1', { ...GOOD, tree: 'php-3' }, [4]);
      },
    },
    {
      name: 'I15',
      because:
        'I15: PHP trees on s1f1-2 of s1f1 need what nothing provides any more: x86_64: a.so.1.',
      breaks: async () => {
        await say('s1f1', { ...GOOD, provides: 'x86_64: b.so.1' }, [2]);
      },
    },
  ])('pauses it for $name, with farm and node', async ({ name, because, breaks, inventory }) => {
    const plan = await open(inventory);
    await breaks();
    await paused(plan);
    expect(await world.because(plan)).toBe(because);
    await world.pass(LOOK_MS);
    expect((await seen(plan)).broken).toContain(name);
  });

  it('pauses it for I7 when what it brings is not proven, and not when that was forced', async () => {
    const zen3 = makeProfile('zen3', {
      promotion: { stable: { nodes: 2, checks: [], soakMs: 0, withinMs: null } },
    });
    const parts = (): Parameters<typeof isPublicationProven>[0] => ({
      database: world.database,
      journal: world.journal,
      clock: world.time,
      profiles: catalogOf([zen3]),
      locks: new Locks(),
    });
    world = await RolloutWorld.open(ONE, {
      isProven: async (publication) => await isPublicationProven(parts(), publication),
    });
    const made = { profile: 'zen3', created_at: 1, author: 'a', reason: 'r' };
    await world.database
      .insertInto('snapshots')
      .values({ id: 'sn', ...made, origin: 'publish', package_count: 0 })
      .execute();
    await world.database
      .insertInto('publications')
      .values({
        ...made,
        channel: 'stable',
        serial: 2,
        snapshot_id: 'sn',
        timestamp_seconds: 2000,
        kind: 'publish',
        request_id: null,
        forced_json: null,
      })
      .execute();
    const plan = memberPlan(ONE);
    await world.start(plan);
    await paused(plan);
    expect(await world.because(plan)).toBe(
      `I7: Rollout ${plan.id}: something that it rolls out has no proof of preproduction.`,
    );
    await world.database
      .updateTable('publications')
      .set({ forced_json: '{"missing":["It needs 2 nodes."]}' })
      .execute();
    await resume(world.context, plan.id, 'token:ann');
    await world.pass(LOOK_MS);
    expect(await seen(plan)).toMatchObject({
      broken: [],
      unseen: expect.not.objectContaining({ I7: expect.anything() }),
    });
    await world.ended();
    expect(await world.state(plan)).toBe('done');
  });

  it('pauses it for I8 when its plan is not the one that has its name', async () => {
    world = await RolloutWorld.open(ONE);
    const plan = memberPlan(ONE);
    await world.keep(plan);
    const { unit_json: json } = await world.database
      .selectFrom('rollout_units')
      .select('unit_json')
      .where('position', '=', 2)
      .executeTakeFirstOrThrow();
    const changed = json.replace('"timeoutSeconds":3600', '"timeoutSeconds":7200');
    await world.database
      .updateTable('rollout_units')
      .set({ unit_json: changed })
      .where('position', '=', 2)
      .execute();
    await world.begin(plan);
    await world.runner.start();
    await paused(plan);
    const sentence = `Rollout ${plan.id}: its plan was changed after it was made`;
    expect(await world.because(plan)).toBe(`I8: ${sentence}.`);
    await world.pass(LOOK_MS);
    expect((await seen(plan)).broken).toEqual(['I8']);
  });

  it('pauses it for I9 when a node says of a step that had ended that it goes on', async () => {
    let asked = 0;
    let isCut = false;
    const plan = await open(ONE, {
      wrap: ({ drivers, transact }) => ({
        transact,
        drivers: {
          ...drivers,
          nodes: {
            start: async (...given) => {
              await drivers.nodes.start(...given);
            },
            state: async (member, id) => {
              const said = await drivers.nodes.state(member, id);
              asked += id.includes('.merge.') ? 1 : 0;
              isCut = id.includes('.merge.') && asked === 3;
              return isCut ? { state: 'interrupted' } : said;
            },
            look: async (member) => {
              if (isCut) {
                throw new AppError('node-unreachable', `${member.node} does not answer.`);
              }
              return await drivers.nodes.look(member);
            },
          },
        },
      }),
    });
    await paused(plan);
    expect(await world.because(plan)).toMatch(
      /^I9: the step [0-9a-f]{12}\.merge\.do\.[0-9a-f]{24} has begun 2 times on s1f1-1 of s1f1\.$/,
    );
    await world.pass(LOOK_MS);
    expect((await seen(plan)).broken).toEqual(['I9']);
  });
});
