import type { MemberState } from './member-states.ts';
import type { Phase, PlanOutline, StepOutline, UnitOutline } from './rollout-plans.ts';
import type { UnitView } from './rollouts.ts';

/** How a member stands in a rollout, and what that means in words. */
export interface RolloutCell {
  readonly state: MemberState;
  readonly note: string;
  readonly unit: string;
}

const STATE_OF_PHASE: Readonly<Record<Phase, MemberState>> = {
  fetching: 'waiting',
  draining: 'draining',
  out: 'out',
  upgrading: 'upgrading',
  checking: 'checking',
  returning: 'checking',
};

/**
 * How each node of a plan stands. A node that has several units, one that fetches and one that merges, stands as the last of
 * them that has begun; when that is done and another one is to come, it waits.
 */
export class RolloutCells {
  readonly #plan: Pick<PlanOutline, 'procedures' | 'stages'>;
  readonly #outlines = new Map<string, UnitOutline>();
  readonly #unitsOfNode = new Map<string, string[]>();
  readonly #records = new Map<string, UnitView>();

  constructor(plan: Pick<PlanOutline, 'procedures' | 'stages'>) {
    this.#plan = plan;
    for (const unit of plan.stages.flatMap(({ units }) => units)) {
      this.#outlines.set(unit.id, unit);
      for (const node of unit.nodes) {
        this.#unitsOfNode.set(node, [...(this.#unitsOfNode.get(node) ?? []), unit.id]);
      }
    }
  }

  /** Takes over what has changed. Returns the nodes that stand otherwise than before, as they stand now. */
  update(changed: readonly UnitView[]): Map<string, RolloutCell> {
    for (const record of changed) {
      this.#records.set(record.unit, record);
    }
    const nodes = changed.flatMap(({ unit }) => this.#outlines.get(unit)?.nodes ?? []);
    return new Map([...new Set(nodes)].flatMap((node) => this.#entry(node)));
  }

  all(): Map<string, RolloutCell> {
    return new Map([...this.#unitsOfNode.keys()].flatMap((node) => this.#entry(node)));
  }

  /** The step that a unit is at. */
  step({ unit, step }: Pick<UnitView, 'unit' | 'step'>): StepOutline | undefined {
    const outline = this.#outlines.get(unit);
    const procedure = outline === undefined ? [] : (this.#plan.procedures[outline.procedure] ?? []);
    return procedure.find(({ id }) => id === step);
  }

  #entry(node: string): (readonly [string, RolloutCell])[] {
    const units = this.#unitsOfNode.get(node) ?? [];
    const records = units.flatMap((unit) => this.#records.get(unit) ?? []);
    const begun = records.findLast(({ state }) => state !== 'waiting');
    const next = records.find(({ state }) => state === 'waiting');
    const shown = begun === undefined || (begun.state === 'done' && next) ? next : begun;
    return shown === undefined ? [] : [[node, this.#cell(shown)]];
  }

  #cell(record: UnitView): RolloutCell {
    const { unit, because } = record;
    const why = because === null ? '' : `: ${because}`;
    if (record.state === 'running') {
      const step = this.step(record);
      return {
        unit,
        state: step === undefined ? 'upgrading' : STATE_OF_PHASE[step.phase],
        note: step?.words ?? 'is under way',
      };
    }
    const [state, note] = ENDED[record.state];
    return { unit, state, note: `${note}${why}` };
  }
}

const ENDED = {
  waiting: ['waiting', 'waits for its turn'],
  undoing: ['undoing', 'goes back'],
  done: ['done', 'done'],
  undone: ['undoing', 'failed, and is as before'],
  held: ['held', 'held'],
  skipped: ['skipped', 'left out'],
} as const;
