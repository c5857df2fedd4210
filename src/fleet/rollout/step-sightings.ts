import type { Queries } from '../../database/database.ts';
import type { Action, NodeCommand, RolloutPlan, Unit } from '../plan/plan.ts';
import type { NodeSightings } from './node-sightings.ts';
import { type EndedStep, stepsEndedSince } from './sightings-store.ts';

/** A result that is written while others are read may have an earlier time. */
const OVERLAP_MS = 10_000;
const DONE: readonly (string | null)[] = ['ok', 'cut'];
/** Nothing was done. */
const NOT_DONE: readonly (string | null)[] = ['refused', 'aborted'];

/** What the steps of a rollout that have ended say of the caches of farms. Epoch milliseconds; 0: never. */
export interface FarmSighting {
  /** When it was emptied last, and that was verified. */
  readonly flushedAt: number;
  /** When the last backend was told to let nobody in. */
  readonly outAt: number;
}

/** Reads what became of the steps of one rollout, as they were written down. */
export class StepSightings {
  readonly #sightings: NodeSightings;
  readonly #rollout: string;
  readonly #units: readonly Unit[];
  readonly #farms = new Map<string, FarmSighting>();
  #newest = 0;

  constructor(sightings: NodeSightings, { id, stages }: Pick<RolloutPlan, 'id' | 'stages'>) {
    this.#sightings = sightings;
    this.#rollout = id;
    this.#units = stages.flatMap(({ units }) => units);
  }

  farm(name: string): FarmSighting {
    return this.#farms.get(name) ?? { flushedAt: 0, outAt: 0 };
  }

  async read(queries: Queries): Promise<void> {
    const since = Math.max(0, this.#newest - OVERLAP_MS);
    for (const row of await stepsEndedSince(queries, this.#rollout, since)) {
      const step = this.#units[row.unit]?.steps.find(({ id }) => id === row.step);
      const action = row.direction === 'do' ? step?.action : step?.undo[row.part];
      if (action !== undefined) {
        this.#note(row, action);
      }
      this.#newest = Math.max(this.#newest, row.ended_at);
    }
  }

  #note(row: EndedStep, action: Action): void {
    if (action.do === 'node') {
      this.#noteCommand(row, action.run);
    } else if (action.do === 'flush' && DONE.includes(row.outcome)) {
      this.#noteFarm(action.farm, { flushedAt: row.ended_at });
    } else if (action.do === 'set-farms' && DONE.includes(row.outcome)) {
      for (const { farm } of action.changes.filter(({ to }) => to === 'maint')) {
        this.#noteFarm(farm, { outAt: row.ended_at });
      }
    }
  }

  #noteFarm(farm: string, change: Partial<FarmSighting>): void {
    const known = this.farm(farm);
    this.#farms.set(farm, {
      flushedAt: Math.max(known.flushedAt, change.flushedAt ?? 0),
      outAt: Math.max(known.outAt, change.outAt ?? 0),
    });
  }

  /** What did not end well may have been done or not: then nobody knows, until the node says it. */
  #noteCommand({ node, outcome, ended_at: at }: EndedStep, run: NodeCommand): void {
    if (NOT_DONE.includes(outcome)) {
      return;
    }
    const isDone = DONE.includes(outcome);
    const known = <T>(value: T) => ({ value: isDone ? value : undefined, at });
    if (run.name === 'activate-release') {
      this.#sightings.note(node, 'release', known(run.release.release));
    } else if (run.name === 'activate-php') {
      this.#sightings.note(node, 'tree', known(run.tree.id));
    } else if (run.name === 'stop-web' || run.name === 'start-web') {
      this.#sightings.note(node, 'isWebRunning', known(run.name === 'start-web'));
    } else if (run.name === 'check' && isDone) {
      if (run.release !== null) {
        this.#sightings.note(node, 'release', known(run.release));
      }
      if (run.tree !== null) {
        this.#sightings.note(node, 'tree', known(run.tree));
      }
    }
  }
}
