import { canonicalJson } from '../../support/canonical-json.ts';
import { type Inventory, membersOf } from './inventory.ts';

/** What is different between two inventories, by name. */
export interface InventoryChanges {
  readonly nodes: Change;
  /** What is said of the farm itself, not of its members. */
  readonly farms: Change;
  /** What is said of the site itself, not of its farms. */
  readonly sites: Change;
}

interface Change {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

export function changesBetween(before: Inventory | undefined, after: Inventory): InventoryChanges {
  const old = before ?? { sites: [] };
  return {
    nodes: compare(nodesOf(old), nodesOf(after)),
    farms: compare(farmsIn(old), farmsIn(after)),
    sites: compare(sitesIn(old), sitesIn(after)),
  };
}

function compare(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): Change {
  return {
    added: [...after.keys()].filter((name) => !before.has(name)),
    removed: [...before.keys()].filter((name) => !after.has(name)),
    changed: [...after]
      .filter(([name, text]) => before.has(name) && before.get(name) !== text)
      .map(([name]) => name),
  };
}

function nodesOf(inventory: Inventory): ReadonlyMap<string, string> {
  return new Map(membersOf(inventory).map((member) => [member.node, canonicalJson(member)]));
}

function farmsIn({ sites }: Inventory): ReadonlyMap<string, string> {
  const farms = sites.flatMap((site) => site.farms);
  return new Map(farms.map((farm) => [farm.name, canonicalJson({ ...farm, members: null })]));
}

function sitesIn({ sites }: Inventory): ReadonlyMap<string, string> {
  return new Map(sites.map((site) => [site.name, canonicalJson({ ...site, farms: null })]));
}
