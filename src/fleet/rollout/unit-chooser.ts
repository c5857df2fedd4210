import type { Site } from '../inventory/inventory.ts';
import type { RolloutPolicy } from '../plan/policy.ts';
import { type Blocked, BusyUnits, type Choice, chooseUnits } from './choose-units.ts';
import type { Readings, SiteReading } from './readings.ts';
import type { UnitProgress } from './unit-journal.ts';
import type { FleetIndex } from './unit-scene.ts';
import { SiteWindows } from './windows.ts';

interface Look {
  /** Epoch milliseconds. */
  readonly now: number;
  /** Nodes that are held, with the reason. What is held meanwhile comes in. */
  readonly held: ReadonlyMap<string, string>;
}

/**
 * Chooses the units that begin, again and again, at a price that does not grow with the fleet: a unit that could not begin
 * is looked at again when something has happened at its site, and otherwise now and then.
 */
export class UnitChooser {
  readonly #policy: RolloutPolicy;
  readonly #isWayBack: boolean;
  readonly #readings: Pick<Readings, 'of'>;
  readonly #againMs: number;
  readonly #windows = new SiteWindows();
  readonly #underWay = new Set<UnitProgress>();
  /** When a site was looked at last; no longer there when something has happened at it. */
  readonly #lookedAt = new Map<string, number>();
  #fleet: FleetIndex;
  #busy: BusyUnits;
  #ruled: ReadonlyMap<UnitProgress, Blocked> = new Map();
  #held: ReadonlyMap<string, string> = new Map();

  constructor(
    plan: { readonly policy: RolloutPolicy; readonly reverses: string | null },
    fleet: FleetIndex,
    looks: { readonly readings: Pick<Readings, 'of'>; readonly againMs: number },
  ) {
    this.#policy = plan.policy;
    this.#isWayBack = plan.reverses !== null;
    this.#readings = looks.readings;
    this.#againMs = looks.againMs;
    this.#fleet = fleet;
    this.#busy = new BusyUnits(plan.policy, fleet);
  }

  /** Units that are under way, in the order in which they began. */
  get underWay(): ReadonlySet<UnitProgress> {
    return this.#underWay;
  }

  /** One that an earlier run has begun. */
  take(unit: UnitProgress): void {
    this.#underWay.add(unit);
    this.#busy.take(unit);
  }

  /** It has ended, or was chosen and has not begun. */
  release(unit: UnitProgress): void {
    if (this.#underWay.delete(unit)) {
      this.#busy.release(unit);
      this.#lookedAt.delete(unit.unit.site);
    }
  }

  /** Something may have happened anywhere. */
  lookAnew(): void {
    this.#lookedAt.clear();
  }

  /** The inventory is another one. */
  moveTo(fleet: FleetIndex): void {
    this.#fleet = fleet;
    this.#busy = new BusyUnits(this.#policy, fleet);
    for (const unit of this.#underWay) {
      this.#busy.take(unit);
    }
    this.lookAnew();
  }

  /** What is chosen is under way from now on, unless it is released. */
  async choose(candidates: readonly UnitProgress[], { now, held }: Look): Promise<Choice> {
    this.#noteHeld(held);
    const read = new Map<string, SiteReading>();
    for (;;) {
      const choice = chooseUnits(candidates, this.#busy, {
        policy: this.#policy,
        fleet: this.#fleet,
        held,
        isRead: (site) => read.has(site),
        member: (site, node) => read.get(site)?.member(node) ?? 'unknown',
        window: (site) => this.#windows.of(site, now),
        known: (unit) => (read.has(unit.unit.site) ? undefined : this.#known(unit, now)),
        isWayBack: this.#isWayBack,
      });
      if (choice.unread.size === 0) {
        this.#ruled = choice.ruled;
        for (const unit of choice.begin) {
          this.#underWay.add(unit);
        }
        return choice;
      }
      await Promise.all(
        [...choice.unread].map(async (name) => {
          const site = this.#requireSite(name);
          this.#lookedAt.set(name, now);
          read.set(name, await this.#readings.of(site));
        }),
      );
    }
  }

  #known(unit: UnitProgress, now: number): Blocked | undefined {
    const at = this.#lookedAt.get(unit.unit.site) ?? Number.NEGATIVE_INFINITY;
    return now - at < this.#againMs ? this.#ruled.get(unit) : undefined;
  }

  #noteHeld(held: ReadonlyMap<string, string>): void {
    const changed = [
      ...[...held.keys()].filter((node) => !this.#held.has(node)),
      ...[...this.#held.keys()].filter((node) => !held.has(node)),
    ];
    for (const node of changed) {
      const farm = this.#fleet.member(node)?.farm;
      const site = farm === undefined ? undefined : this.#fleet.farm(farm)?.site;
      if (site !== undefined) {
        this.#lookedAt.delete(site);
      }
    }
    this.#held = held;
  }

  #requireSite(name: string): Site {
    const site = this.#fleet.site(name);
    if (site === undefined) {
      throw new Error(`the inventory has no site ${name}`);
    }
    return site;
  }
}
