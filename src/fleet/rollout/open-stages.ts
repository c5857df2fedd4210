import { needsApproval } from '../plan/approvals.ts';
import type { RolloutPolicy } from '../plan/policy.ts';
import type { StageProgress } from './load-rollout.ts';
import type { WaitReason } from './rollout.ts';
import type { UnitProgress } from './unit-journal.ts';

export const ENDED: readonly UnitProgress['state'][] = ['done', 'undone', 'held', 'skipped'];

/** Units that their stages let begin, in the order of the plan, and why no later stage does. */
export interface OpenStages {
  readonly candidates: readonly UnitProgress[];
  /** The first stage that has not passed; undefined when all have. */
  readonly current: StageProgress | undefined;
  readonly waits: readonly WaitReason[];
}

/**
 * A stage lets its units begin when the one before has passed. With the barrier `farm`, a wave does not wait for the wave
 * before: a unit begins when those of its farm in earlier waves have ended and were watched.
 */
export function openStages(
  stages: readonly StageProgress[],
  policy: RolloutPolicy,
  approved: ReadonlySet<string>,
  now: number,
): OpenStages {
  const candidates: UnitProgress[] = [];
  const waits: WaitReason[] = [];
  const busy = new BusyFarms(now);
  const types = stages.map(({ stage }) => stage);
  let current: StageProgress | undefined;
  for (const stage of stages) {
    if (needsApproval(types, stage.position, policy) && !approved.has(stage.stage.id)) {
      waits.push(approvalOf(stage));
      return { candidates, current: current ?? stage, waits };
    }
    const isFirst = current === undefined;
    candidates.push(...waitingOf(stage).filter((unit) => isFirst || !busy.has(unit)));
    if (stage.passedAt === null) {
      current ??= stage;
      busy.add(stage);
    }
    if (current !== undefined && !goesOn(stage, stages[stage.position + 1], policy)) {
      break;
    }
  }
  return { candidates, current, waits };
}

/** Whether units of the next stage may begin though this one, or one before, has not passed. */
function goesOn(
  stage: StageProgress,
  next: StageProgress | undefined,
  { barrier }: RolloutPolicy,
): boolean {
  const isLeft = stage.passedAt !== null || (barrier === 'farm' && stage.stage.type === 'wave');
  return isLeft && next?.stage.type === 'wave';
}

/** The units of a stage that have not begun. */
function waitingOf(stage: StageProgress): readonly UnitProgress[] {
  stage.waiting = stage.waiting.filter(({ state }) => state === 'waiting');
  return stage.waiting;
}

/** Whether the stage has units to end, beside those that are left behind. */
export function isUnderWay(
  stage: StageProgress,
  left: ReadonlyMap<UnitProgress, unknown>,
): boolean {
  return stage.underWay > 0 || waitingOf(stage).some((unit) => !left.has(unit));
}

function approvalOf({ stage }: StageProgress): WaitReason {
  const sentence = `Somebody has to approve the stage ${stage.id}.`;
  return { kind: 'approval', unit: null, sentence, until: null };
}

/** Farms that have units of earlier waves to end, or to be watched. */
class BusyFarms {
  readonly #now: number;
  readonly #farms = new Set<string>();

  constructor(now: number) {
    this.#now = now;
  }

  add({ units, stage }: StageProgress): void {
    for (const { unit, state, endedAt, startedAt } of units) {
      const isWatched =
        startedAt === null || (endedAt ?? 0) + stage.soakSeconds * 1000 <= this.#now;
      if (!ENDED.includes(state) || !isWatched) {
        this.#farms.add(unit.farm);
      }
    }
  }

  has({ unit }: UnitProgress): boolean {
    return this.#farms.has(unit.farm);
  }
}
