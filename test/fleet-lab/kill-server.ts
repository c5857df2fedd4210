import { sleep } from '../../src/support/clock.ts';
import { seeded } from '../fleet/plan/random-fleet.ts';
import { insist } from '../support/insist.ts';
import type { FleetWorld, RolloutSeen } from './fleet-world.ts';

/** How long after the journal was seen to have come far enough, at most, ms: into the middle of the step that follows. */
const INTO_STEP_MS = 200;
/** A start that takes longer has failed, ms: on a machine that does other things as well. */
const START_MS = 120_000;
/** Part of the steps behind which nobody is killed any more: the last kill has to come before the end. */
const LAST = 0.9;

/**
 * Kills the server of a rollout with SIGKILL, and starts it again on the same folder; the moments are spread over what the
 * rollout has written down, not over time. Returns where the units under way stood each time.
 */
export async function killOften(
  world: FleetWorld,
  rollout: string,
  { kills, seed }: { readonly kills: number; readonly seed: number },
): Promise<string[]> {
  const random = seeded(seed);
  const moments: string[] = [];
  for (let kill = 0; kill < kills; kill += 1) {
    const part = (kill / kills) * LAST;
    moments.push(await momentAt(world, rollout, part));
    await sleep(random() * INTO_STEP_MS);
    await world.server.program.kill();
    await world.server.start(START_MS);
  }
  return moments;
}

/** Waits until this part of all steps has ended. Where the units under way stand then. */
async function momentAt(world: FleetWorld, rollout: string, part: number): Promise<string> {
  return await insist(`${Math.round(part * 100)} % of the steps`, async () => {
    const seen = await world.rollout(rollout);
    if (seen.state !== 'running') {
      throw new Error(`the rollout is ${seen.state} too early: ${seen.because}`);
    }
    if (partDone(seen) < part) {
      return undefined;
    }
    return seen.unitRecords
      .filter(({ state }) => state === 'running')
      .map(({ unit, step }) => `${unit} ${step}`)
      .join(', ');
  });
}

/** Which part of the steps of all units has ended. */
function partDone({ plan, unitRecords }: RolloutSeen): number {
  const records = new Map(unitRecords.map((record) => [record.unit, record]));
  let [ended, all] = [0, 0];
  for (const { id, procedure } of plan.stages.flatMap(({ units }) => units)) {
    const steps = plan.procedures[procedure] ?? [];
    const record = records.get(id);
    const at = steps.findIndex((step) => step.id === record?.step);
    ended += record?.state === 'done' ? steps.length : Math.max(at, 0);
    all += steps.length;
  }
  return ended / all;
}
