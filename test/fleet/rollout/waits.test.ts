import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import { type Database, openDatabase } from '../../../src/database/database.ts';
import { approvalsOf } from '../../../src/fleet/rollout/fleet-store.ts';
import { readReading } from '../../../src/fleet/rollout/reading-store.ts';
import { findRollout } from '../../../src/fleet/rollout/rollout-store.ts';
import { abort, pause, resume } from '../../../src/fleet/rollout/steer-rollout.ts';
import { readWaits } from '../../../src/fleet/rollout/waits.ts';
import { systemClock } from '../../../src/support/clock.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { IS_POSTGRESQL, testPlace } from '../../support/test-database.ts';
import { memberPlan } from './made-plans.ts';
import { RolloutWorld, type WorldOptions } from './rollout-world.ts';

const folder = temporaryFolder();
const FLEET = madeInventory({ sites: 1, farms: 1, members: 2 });
const WHO = 'token:ann';

let world: RolloutWorld;
let other: Database;

afterEach(async () => {
  await world.stop();
  if (other !== world.database) {
    await other.destroy();
  }
});

/** An engine, and the database as a server has it open that carries out nothing. SQLite lets only one process have it. */
async function open(options: Pick<WorldOptions, 'wrap'> = {}): Promise<void> {
  const place = await testPlace(join(folder, `${randomUUID()}.sqlite`));
  world = await RolloutWorld.open(FLEET, { place, ...options });
  other = IS_POSTGRESQL ? await openDatabase(place, systemClock) : world.database;
}

/** What the other server says. */
async function elsewhere(id: string) {
  const row = await findRollout(other, id);
  if (row === undefined) {
    throw new Error(`there is no rollout ${id}`);
  }
  const approvals = await approvalsOf(other, id);
  return readWaits(
    row,
    approvals.map(({ of_stage: of }) => of),
  );
}

describe('a server that does not carry a rollout out', () => {
  it('says what it waits for, from before its start to its end', async () => {
    await open();
    const plan = memberPlan(FLEET, { approvals: ['start', 'each-stage'], hasCanary: true });
    await world.keep(plan);
    expect(await elsewhere(plan.id)).toEqual([
      { kind: 'approval', unit: null, sentence: 'Somebody has to approve it: start.', until: null },
    ]);
    await world.approve(plan, 'start');
    expect(await elsewhere(plan.id)).toMatchObject([{ kind: 'start' }]);
    await world.begin(plan);
    expect(await elsewhere(plan.id)).toMatchObject([
      { kind: 'start', sentence: 'It was started, and no server has taken it up yet.' },
    ]);
    await world.runner.start();
    const node = world.fleet.node({ node: 's1f1-1' });
    await world.time.runUntil(() => !node.isWebRunning);
    await world.pass(20_000);
    expect(await elsewhere(plan.id)).toEqual([
      {
        kind: 'node-step',
        unit: 'canary/s1f1-1',
        sentence: 'canary/s1f1-1 is at merge.',
        until: null,
      },
    ]);
    expect((await findRollout(other, plan.id))?.stage).toBe('canary');

    await pause(world.context, plan.id, 'Lunch.', WHO);
    expect(await elsewhere(plan.id)).toMatchObject([{ kind: 'paused', sentence: 'Lunch.' }]);
    await resume(world.context, plan.id, WHO);
    expect(await elsewhere(plan.id)).toEqual([]);
    await world.pass(20_000);
    expect(await elsewhere(plan.id)).toMatchObject([{ unit: 'canary/s1f1-1' }]);

    await world.until('rollout-stage-ended');
    await world.pass(10_000);
    expect(await elsewhere(plan.id)).toMatchObject([{ kind: 'soak', until: expect.any(Number) }]);
    await world.until('rollout-stage-passed');
    await world.pass(20_000);
    expect(await elsewhere(plan.id)).toMatchObject([
      { kind: 'approval', sentence: expect.stringContaining('wave-1') },
    ]);
    await abort(world.context, plan.id, 'No.', WHO);
    await world.ended();
    expect(await elsewhere(plan.id)).toEqual([]);
  });

  it('tells what the monitor sees', async () => {
    await open();
    const plan = memberPlan(FLEET);
    await world.start(plan);
    expect(await readReading(other, plan.id)).toBeNull();
    await world.pass(40_000);
    const reading = await readReading(other, plan.id);
    expect(reading?.farms).toEqual([{ farm: 's1f1', serving: 1, out: 1, maxOut: 1 }]);
    expect(reading?.invariants.map(({ name }) => name)).toContain('I15');
    await world.ended();
  });

  it('finds nothing written again that is as it was', async () => {
    let writes = 0;
    await open({
      wrap: (parts) => ({
        ...parts,
        transact: async (work) => {
          writes += 1;
          return await parts.transact(work);
        },
      }),
    });
    const plan = memberPlan(FLEET);
    await world.start(plan);
    const node = world.fleet.node({ node: 's1f1-1' });
    await world.time.runUntil(() => !node.isWebRunning);
    await world.pass(30_000);
    const before = writes;
    // While a merge goes on, the rollout looks some ten times.
    await world.pass(100_000);
    expect(writes).toBe(before);
  });
});
