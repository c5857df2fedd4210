import type { RolloutStepRow } from '../../database/tables.ts';
import type { UnitProgress } from './unit-journal.ts';

/** The note of a step before which its node did not serve, in a unit that visitors do not notice. */
export const WAS_OUT = 'out';

/** The same intents, with a note of the nodes that did not serve before. */
export function noteOut(
  intents: readonly RolloutStepRow[],
  out: ReadonlySet<string>,
): readonly RolloutStepRow[] {
  return intents.map((row) => (out.has(row.node) ? { ...row, note: WAS_OUT } : row));
}

/**
 * The nodes that a rollout has to account for when it ends (I12). A unit that only fetches something begins whether its node
 * serves or not: one that did not serve is not the rollout's, until a unit that visitors might notice begins there.
 */
export class TouchedNodes {
  readonly #sites = new Map<string, Set<string>>();
  readonly #all = new Set<string>();

  /** `out`: its nodes that did not serve before. */
  add({ unit, effect }: Pick<UnitProgress, 'unit' | 'effect'>, out: ReadonlySet<string>): void {
    for (const node of unit.nodes) {
      if (effect.isNoticeable || !out.has(node)) {
        this.#sites.set(unit.site, (this.#sites.get(unit.site) ?? new Set()).add(node));
        this.#all.add(node);
      }
    }
  }

  get all(): ReadonlySet<string> {
    return this.#all;
  }

  /** By the names of sites. */
  get bySite(): ReadonlyMap<string, ReadonlySet<string>> {
    return this.#sites;
  }
}

/** As the rows have it. `out`: nodes whose first step has a note that they did not serve. */
export function touchedBy(units: readonly UnitProgress[], out: ReadonlySet<string>): TouchedNodes {
  const touched = new TouchedNodes();
  for (const unit of units) {
    if (unit.startedAt !== null) {
      touched.add(unit, out);
    }
  }
  return touched;
}
