import type { Queries } from '../../database/database.ts';
import { planAgain } from '../plan/make-plan.ts';
import type { RolloutPlan } from '../plan/plan.ts';
import { findRollout } from './rollout-store.ts';

const OVER = ['aborted', 'discarded', 'done', 'done-with-held'];

/**
 * A plan that can be carried out. An equal one that has come to its end is not taken up again: after an abort that took
 * everything back, what is asked for next would have its id.
 */
export async function freshPlan(queries: Queries, plan: RolloutPlan): Promise<RolloutPlan> {
  let fresh = plan;
  for (let again = 1; ; again += 1) {
    const row = await findRollout(queries, fresh.id);
    if (row === undefined || !OVER.includes(row.state)) {
      return fresh;
    }
    fresh = planAgain(plan, again);
  }
}
