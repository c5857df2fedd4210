import type { RolloutStepRow } from '../../database/tables.ts';
import type { Farm, Inventory, Member, Site } from '../inventory/inventory.ts';
import type { RolloutPlan } from '../plan/plan.ts';
import type { Ledger } from './ledger.ts';
import type { Readings } from './readings.ts';
import type { EngineContext, Time } from './rollout-context.ts';

/** The inventory by names. */
export class FleetIndex {
  readonly digest: string;
  readonly inventory: Inventory;
  readonly #sites: ReadonlyMap<string, Site>;
  readonly #farms: ReadonlyMap<string, Farm>;
  readonly #members: ReadonlyMap<string, Member>;

  constructor(inventory: Inventory, digest: string) {
    const farms = inventory.sites.flatMap((site) => site.farms);
    this.digest = digest;
    this.inventory = inventory;
    this.#sites = new Map(inventory.sites.map((site) => [site.name, site]));
    this.#farms = new Map(farms.map((farm) => [farm.name, farm]));
    this.#members = new Map(
      farms.flatMap(({ members }) => members.map((member) => [member.node, member])),
    );
  }

  site(name: string): Site | undefined {
    return this.#sites.get(name);
  }

  farm(name: string): Farm | undefined {
    return this.#farms.get(name);
  }

  member(node: string): Member | undefined {
    return this.#members.get(node);
  }
}

/** What a unit works with. */
export interface UnitScene {
  readonly context: EngineContext;
  readonly plan: Omit<RolloutPlan, 'stages'>;
  readonly readings: Readings;
  readonly ledger: Ledger;
  readonly fleet: () => FleetIndex;
  /** The runner stops: whatever is under way is left as it is. */
  readonly signal: AbortSignal;
}

/** What became of one action, on one node or as a whole. */
export interface Outcome {
  readonly outcome:
    | 'ok'
    /** Requests in flight were cut off, as the policy wants it. */
    | 'cut'
    | 'failed'
    /** Nothing was done. */
    | 'refused'
    /** Nobody knows what it has done. */
    | 'unknown'
    /** The wait was given up, because the rollout is aborted. */
    | 'aborted';
  readonly output: string;
}

export const OK: Outcome = { outcome: 'ok', output: '' };

/** Something that was intended, and by when it has to have happened, epoch milliseconds. */
export interface Intent {
  readonly row: RolloutStepRow;
  readonly deadline: number;
  /** Whether an earlier run of the engine has intended it: it may have begun. */
  readonly isResumed: boolean;
  /** Aborted when the rollout is aborted, or the runner stops: waits that can be given up are. */
  readonly cut: AbortSignal;
}

/** The waits between questions about one thing. */
export class Poll {
  readonly #time: Time;
  readonly #most: number;
  readonly #stop: AbortSignal;
  readonly #cut: AbortSignal;
  #next: number;

  /** `cut` is aborted with the runner's own signal, or before it. */
  constructor({ context, signal }: UnitScene, cut: AbortSignal = signal) {
    this.#time = context.time;
    this.#next = context.settings.pollMs.first;
    this.#most = context.settings.pollMs.most;
    this.#stop = signal;
    this.#cut = cut;
  }

  /** Waits; throws when the runner stops. Does not wait beyond `until`, epoch milliseconds. */
  async wait(until = Number.POSITIVE_INFINITY): Promise<void> {
    const ms = Math.max(1, Math.min(this.#next, until - this.#time.now()));
    this.#next = Math.min(this.#most, this.#next * 1.5);
    await this.#time.sleep(ms, this.#cut);
    this.#stop.throwIfAborted();
  }
}
