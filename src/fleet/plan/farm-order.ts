import type { Farm, Site } from '../inventory/inventory.ts';
import { weightOf } from './moment.ts';

/** Farms of a site that are named, the one that bears least first: what goes wrong goes wrong for few. */
export function farmsInOrder(site: Site, named: ReadonlyMap<string, unknown>): readonly Farm[] {
  return site.farms
    .filter(({ name }) => named.has(name))
    .toSorted(
      (one, other) =>
        weightOf(one.members) - weightOf(other.members) || (one.name < other.name ? -1 : 1),
    );
}
