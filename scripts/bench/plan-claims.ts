import { makePlan } from '../../src/fleet/plan/make-plan.ts';
import { ROLLOUT_KINDS } from '../../src/fleet/plan/plan.ts';
import { inputOf } from '../../test/fleet/plan/topology.ts';
import type { Bench } from './claims.ts';
import { measure, shown } from './measure.ts';

const SITES = 25;
const FARMS = 25;
const MEMBERS = 16;

/** How long it takes to plan each kind of rollout of 10,000 nodes in 625 farms, its id included. */
export async function planFleet(bench: Bench): Promise<void> {
  const members = Array.from({ length: MEMBERS }, (_, index) => ({ index: index + 1 }));
  const farms = Array.from({ length: FARMS }, () => ({ members }));
  const sites = Array.from({ length: SITES }, () => farms);
  for (const kind of ROLLOUT_KINDS) {
    const input = inputOf(kind, { sites });
    const took = await measure(5, async () => {
      const made = makePlan(input);
      if ('problems' in made) {
        throw new Error(made.problems[0]?.sentence);
      }
    });
    bench.print(
      `plan of ${kind} for ${SITES * FARMS * MEMBERS} nodes in ${SITES * FARMS} farms: ${shown(took)} (target: below 2 s)`,
    );
  }
}
