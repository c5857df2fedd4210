import type { RolloutStepRow, RolloutUnitRow } from '../../database/tables.ts';
import type { NewEvent } from '../../journal/event.ts';
import type { Unit } from '../plan/plan.ts';
import type { Entry } from './ledger.ts';
import type { UnitState } from './rollout.ts';
import { toUnitState } from './rollout-store.ts';
import { type Place, placesOf, takesOut, type UnitEffect, wishesOfPlace } from './unit-actions.ts';
import type { Outcome, UnitScene } from './unit-scene.ts';

/** A unit as the engine has it in memory; its row says the same. */
export interface UnitProgress {
  readonly position: number;
  readonly stage: number;
  readonly unit: Unit;
  readonly effect: UnitEffect;
  state: UnitState;
  step: string | null;
  startedAt: number | null;
  endedAt: number | null;
  because: string | null;
}

export type Ended = NonNullable<Entry['ended']>;
export type UnitEntry = Omit<Entry, 'unit' | 'events'> & {
  readonly change: Partial<RolloutUnitRow>;
};

/** What was intended and what became of it, of one unit: the rows, and the same in memory. */
export class UnitJournal {
  readonly #scene: UnitScene;
  readonly #progress: UnitProgress;
  readonly #rows: Map<string, RolloutStepRow>;
  readonly #resumed: ReadonlySet<string>;

  /** `rows`: what an earlier run of the engine has written. */
  constructor(scene: UnitScene, progress: UnitProgress, rows: readonly RolloutStepRow[]) {
    this.#scene = scene;
    this.#progress = progress;
    this.#rows = new Map(rows.map((row) => [keyOf(row), row]));
    this.#resumed = new Set(this.#rows.keys());
  }

  outcomeAt(place: Place, node: string): string | null {
    return this.#rows.get(keyAt(place, node))?.outcome ?? null;
  }

  /** What was intended there, and whether an earlier run of the engine did so. */
  intended(
    place: Place,
    node: string,
  ): { readonly row: RolloutStepRow; readonly isResumed: boolean } {
    const key = keyAt(place, node);
    const row = this.#rows.get(key);
    if (row === undefined) {
      throw new Error(`${place.step.id} of ${place.unit.id} is done before it was intended`);
    }
    return { row, isResumed: this.#resumed.has(key) };
  }

  /** Whether this step was intended. */
  hasBegun(step: string): boolean {
    return [...this.#rows.values()].some((row) => row.step === step && row.direction === 'do');
  }

  endsOf(place: Place, outcomes: ReadonlyMap<string, Outcome>): Ended {
    const now = this.#scene.context.time.now();
    return [...outcomes].flatMap(([node, { outcome, output }]) => {
      const row = this.#rows.get(keyAt(place, node));
      return row === undefined || row.outcome !== null
        ? []
        : [{ row, change: { ended_at: now, outcome, output } }];
    });
  }

  /** The rows that have to be on disk before the act, and what balancers are to be told. */
  intentOf(place: Place): Pick<UnitEntry, 'intents' | 'wishes'> {
    const now = this.#scene.context.time.now();
    const rollout = this.#scene.plan.id;
    const intents = placesOf(place.action).map(
      (node): RolloutStepRow => ({
        rollout,
        unit: this.#progress.position,
        step: place.step.id,
        direction: place.direction,
        part: place.part,
        node,
        intended_at: now,
        ended_at: null,
        note: null,
        outcome: null,
        output: null,
      }),
    );
    // Whoever is taken out is spared first: until then nobody is to say so to a balancer.
    const wishes = takesOut(place.action) ? [] : wishesOfPlace(rollout, place, now);
    return { intents, wishes };
  }

  /** True when it is on disk; false when it begins the unit and the rollout is not running. */
  async write({ change, ...entry }: UnitEntry): Promise<boolean> {
    const isWritten = await this.#scene.ledger.write({
      ...entry,
      ...(Object.keys(change).length > 0 && {
        unit: { position: this.#progress.position, change },
      }),
      events: change.state === undefined ? [] : [this.#event(change.state, change.because)],
    });
    if (isWritten) {
      this.remember(entry);
      this.#apply(change);
    }
    return isWritten;
  }

  remember({ ended = [], intents = [] }: Pick<UnitEntry, 'ended' | 'intents'>): void {
    for (const { row, change } of ended) {
      this.#rows.set(keyOf(row), { ...row, ...change });
    }
    for (const row of intents) {
      this.#rows.set(keyOf(row), row);
    }
  }

  #apply(change: Partial<RolloutUnitRow>): void {
    const progress = this.#progress;
    if (change.state !== undefined) {
      progress.state = toUnitState(change.state);
    }
    progress.step = change.step ?? progress.step;
    progress.startedAt = change.started_at ?? progress.startedAt;
    progress.endedAt = change.ended_at ?? progress.endedAt;
    progress.because = change.because ?? progress.because;
  }

  #event(state: string, because: string | null | undefined): NewEvent {
    const { unit } = this.#progress;
    const rollout = this.#scene.plan.id;
    return {
      kind: `rollout-unit-${state}`,
      subject: `rollout:${rollout}`,
      actor: 'server',
      data: {
        rollout,
        unit: unit.id,
        site: unit.site,
        farm: unit.farm,
        nodes: unit.nodes,
        state,
        ...(because === undefined || because === null ? {} : { because }),
      },
    };
  }
}

function keyOf(row: RolloutStepRow): string {
  return JSON.stringify([row.step, row.direction, row.part, row.node]);
}

function keyAt({ step, direction, part }: Place, node: string): string {
  return JSON.stringify([step.id, direction, part, node]);
}
