import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import { type Database, openDatabase } from '../../../src/database/database.ts';
import { Ledger } from '../../../src/fleet/rollout/ledger.ts';
import { takeOver } from '../../../src/fleet/rollout/load-rollout.ts';
import { putReading, readReading } from '../../../src/fleet/rollout/reading-store.ts';
import { findRollout } from '../../../src/fleet/rollout/rollout-store.ts';
import { abort, resume } from '../../../src/fleet/rollout/steer-rollout.ts';
import { noteWaits, readWaits } from '../../../src/fleet/rollout/waits.ts';
import { systemClock } from '../../../src/support/clock.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { IS_POSTGRESQL, testPlace } from '../../support/test-database.ts';
import { memberPlan } from './made-plans.ts';
import { RolloutWorld } from './rollout-world.ts';

const folder = temporaryFolder();
const FLEET = madeInventory({ sites: 1, farms: 1, members: 2 });
const PLAN = memberPlan(FLEET);
const WAIT = { kind: 'limit', unit: 'wave-1/s1f1-1', sentence: 'One may be out.', until: null };

let world: RolloutWorld;
/** As another server has it open; SQLite lets only one process have it. */
let other: Database;
let ledger: Ledger;

beforeEach(async () => {
  const place = await testPlace(join(folder, `${randomUUID()}.sqlite`));
  world = await RolloutWorld.open(FLEET, { place });
  other = IS_POSTGRESQL ? await openDatabase(place, systemClock) : world.database;
  await world.keep(PLAN);
  await world.begin(PLAN);
  const { signal } = new AbortController();
  ledger = new Ledger(world.context, { rollout: PLAN.id, runner: 'one', signal }, () => undefined);
});

afterEach(async () => {
  await world.stop();
  if (other !== world.database) {
    await other.destroy();
  }
});

async function row() {
  const found = await findRollout(other, PLAN.id);
  if (found === undefined) {
    throw new Error('it is not there');
  }
  return found;
}

describe('what one server writes of a rollout and another one reads', () => {
  it('is that nobody has taken it up, then what it waits for and at which stage it is', async () => {
    expect(readWaits(await row(), [])).toMatchObject([{ kind: 'start' }]);
    await takeOver(world.context, PLAN.id, 'one');
    expect(readWaits(await row(), [])).toEqual([]);
    await noteWaits(ledger, await row(), { stage: 'wave-1', waits: [WAIT] });
    expect(readWaits(await row(), [])).toEqual([WAIT]);
    expect((await row()).stage).toBe('wave-1');
  });

  it('is the first of very many things, and how many there are besides', async () => {
    await takeOver(world.context, PLAN.id, 'one');
    const waits = Array.from({ length: 250 }, (_, at) => ({ ...WAIT, sentence: `${at}` }));
    await noteWaits(ledger, await row(), { waits });
    const told = readWaits(await row(), []);
    expect([told.length, told.at(-1)?.sentence]).toEqual([101, 'And for 150 things more.']);
  });

  it('is nothing of before once a person has paused, resumed or aborted it', async () => {
    await takeOver(world.context, PLAN.id, 'one');
    await noteWaits(ledger, await row(), { waits: [WAIT] });
    await ledger.write({ pause: 'Errors.' });
    expect(readWaits(await row(), [])).toMatchObject([{ kind: 'paused', sentence: 'Errors.' }]);
    await resume(world.context, PLAN.id, 'token:ann');
    expect(readWaits(await row(), [])).toEqual([]);
    await noteWaits(ledger, await row(), { waits: [WAIT] });
    await abort(world.context, PLAN.id, 'No.', 'token:ann');
    expect(readWaits(await row(), [])).toEqual([]);
  });

  it('is nothing of a server that was replaced', async () => {
    await takeOver(world.context, PLAN.id, 'two');
    await expect(noteWaits(ledger, await row(), { waits: [WAIT] })).rejects.toMatchObject({
      code: 'rollout-replaced',
    });
    expect(readWaits(await row(), [])).toEqual([]);
  });

  it('is what the monitor saw last', async () => {
    expect(await readReading(other, PLAN.id)).toBeNull();
    const farms = [{ farm: 's1f1', serving: 1, out: 1, maxOut: 1 }];
    const invariants = [{ name: 'I4', sentence: 'S.', violations: [], unseen: 'Nobody said it.' }];
    await putReading(world.database, PLAN.id, { at: 5, invariants: [], farms: [] });
    await putReading(world.database, PLAN.id, { at: 7, invariants, farms });
    expect(await readReading(other, PLAN.id)).toEqual({ at: 7, invariants, farms });
  });
});
