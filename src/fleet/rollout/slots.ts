import type { RolloutPolicy } from '../plan/policy.ts';
import type { UnitProgress } from './unit-journal.ts';
import type { FleetIndex } from './unit-scene.ts';

/** How many units are under way, against the limits of the policy. */
export class Slots {
  readonly #limits: RolloutPolicy['limits'];
  readonly #fleet: FleetIndex;
  readonly #sites = new Map<string, number>();
  readonly #racks = new Map<string, number>();
  #total = 0;
  /** Nodes that fetch from the farm. */
  #fetching = 0;

  constructor(limits: RolloutPolicy['limits'], fleet: FleetIndex) {
    this.#limits = limits;
    this.#fleet = fleet;
  }

  /** Whether no unit at all can begin. */
  get isFull(): boolean {
    return this.#total >= (this.#limits.total ?? Number.POSITIVE_INFINITY);
  }

  take(unit: UnitProgress): void {
    this.#count(unit, 1);
  }

  /** One that was taken has ended. */
  release(unit: UnitProgress): void {
    this.#count(unit, -1);
  }

  #count(unit: UnitProgress, by: 1 | -1): void {
    this.#total += by;
    add(this.#sites, unit.unit.site, by);
    if (this.#limits.perRack !== null) {
      for (const rack of this.#racksOf(unit)) {
        add(this.#racks, rack, by);
      }
    }
    if (unit.effect.fetches) {
      this.#fetching += by * unit.unit.nodes.length;
    }
  }

  /** Which limit would be exceeded, a sentence. */
  missing(unit: UnitProgress): string | undefined {
    const { total, perSite, perRack } = this.#limits;
    const { site } = unit.unit;
    if (total !== null && this.#total >= total) {
      return `${total} units are under way, and no more may be.`;
    }
    if (perSite !== null && (this.#sites.get(site) ?? 0) >= perSite) {
      return `${perSite} units of ${site} are under way, and no more may be.`;
    }
    const rack =
      perRack === null
        ? undefined
        : this.#racksOf(unit).find((name) => (this.#racks.get(name) ?? 0) >= perRack);
    if (rack !== undefined) {
      return `${perRack ?? 0} units in rack ${rack} are under way, and no more may be.`;
    }
    return unit.effect.fetches ? this.#missingOfBinhost(unit.unit.nodes.length) : undefined;
  }

  /** A unit of more nodes than the limit goes alone: it would never begin otherwise. */
  #missingOfBinhost(nodes: number): string | undefined {
    const { perBinhost } = this.#limits;
    return perBinhost !== null && this.#fetching > 0 && this.#fetching + nodes > perBinhost
      ? `${this.#fetching} nodes fetch from the farm, and ${perBinhost} may.`
      : undefined;
  }

  #racksOf({ unit }: UnitProgress): readonly string[] {
    const racks = unit.nodes.flatMap((node) => this.#fleet.member(node)?.rack ?? []);
    return [...new Set(racks)];
  }
}

function add(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
