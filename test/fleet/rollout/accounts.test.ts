import { afterEach, describe, expect, it } from '@jest/globals';
import { madeInventory } from '../../../scripts/simulation/fleet/made-fleet.ts';
import { heldNodes } from '../../../src/fleet/rollout/fleet-store.ts';
import { abort } from '../../../src/fleet/rollout/steer-rollout.ts';
import { memberPlan, withPrefetch } from './made-plans.ts';
import { RolloutWorld } from './rollout-world.ts';

const FLEET = madeInventory({ sites: 1, farms: 2, members: 2 });
let world: RolloutWorld;
afterEach(async () => {
  await world.stop();
});

/** A rollout that is aborted once everything was fetched; `before` is before it begins, `then` before it is aborted. */
async function abortedAfterFetch(
  before: () => void,
  then: () => Promise<void> | void,
): Promise<void> {
  const plan = withPrefetch(memberPlan(FLEET));
  before();
  await world.start(plan);
  await world.until('rollout-stage-passed');
  await then();
  await abort(world.context, plan.id, 'a mistake', 'token:test');
  await world.ended();
}

describe('a rollout that ends', () => {
  it('accounts for a node that served before it fetched something there, and does not serve now', async () => {
    world = await RolloutWorld.open(FLEET);
    await abortedAfterFetch(
      () => undefined,
      () => {
        world.fleet.node({ node: 's1f2-2' }).die();
      },
    );
    expect(await heldNodes(world.database)).toEqual([
      expect.objectContaining({
        node: 's1f2-2',
        because: 'It does not serve at the end of the rollout.',
      }),
    ]);
  });

  it('does not account for a node that did not serve before it fetched something there', async () => {
    world = await RolloutWorld.open(FLEET);
    await abortedAfterFetch(
      () => {
        world.fleet.node({ node: 's1f2-2' }).stopServing();
      },
      () => undefined,
    );
    expect(await heldNodes(world.database)).toEqual([]);
  });

  it('knows after a kill, too, which nodes did not serve before', async () => {
    world = await RolloutWorld.open(FLEET);
    await abortedAfterFetch(
      () => {
        world.fleet.node({ node: 's1f2-2' }).stopServing();
      },
      async () => {
        await world.runner.stop();
        await world.replaceEngine();
      },
    );
    expect(await heldNodes(world.database)).toEqual([]);
  });
});
