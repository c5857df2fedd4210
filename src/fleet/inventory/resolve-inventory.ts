import { policyDurationMs } from '../../gentoo/promotion-policy.ts';
import type { Balancer, Inventory, Site, Window } from './inventory.ts';
import {
  type BalancerDocument,
  daysOf,
  FLEET_NAME,
  FLEET_NAME_RULE,
  type InventoryDocument,
  type SiteDocument,
} from './inventory-document.ts';
import { type DocumentPlace, InventoryFaults } from './inventory-faults.ts';
import { resolveFarm } from './resolve-farm.ts';

export interface InventoryPart {
  readonly document: InventoryDocument;
  readonly place: DocumentPlace;
}

/** What the parts of one inventory are checked against, and where their names were first. */
export interface Resolving {
  readonly faults: InventoryFaults;
  /** Names of hardware profiles that there are; undefined: whatever they are called. */
  readonly profiles: readonly string[] | undefined;
  /** `node web7-01` -> where it is. */
  readonly named: Map<string, string>;
}

/**
 * One inventory of several documents, with defaults and patterns resolved, everything sorted by its name. Names are checked
 * over all of them. When there are faults, the inventory is only what could be understood.
 */
export function resolveInventory(
  parts: readonly InventoryPart[],
  profiles?: readonly string[],
): { readonly inventory: Inventory; readonly faults: readonly string[] } {
  const named = new Map<string, string>();
  const sites: Site[] = [];
  const faults: string[] = [];
  for (const { document, place } of parts) {
    const resolving = { faults: new InventoryFaults(place), profiles, named };
    for (const [name, site] of Object.entries(document.site)) {
      sites.push(resolveSite(resolving, name, { site, document }));
    }
    faults.push(...resolving.faults.sentences);
  }
  if (sites.length === 0 && faults.length === 0) {
    faults.push('The inventory has no site: it needs a table such as [site.berlin].');
  }
  return { inventory: { sites: sites.toSorted(byName) }, faults };
}

/** Says so when the name is not one, or another of this kind has it. */
export function takeName(
  { faults, named }: Resolving,
  kind: 'site' | 'farm' | 'node' | 'balancer',
  name: string,
  path: string,
): void {
  if (!FLEET_NAME.test(name)) {
    faults.value(path, name, `is not the name of a ${kind}: it ${FLEET_NAME_RULE}`);
  }
  const key = `${kind} ${name}`;
  const other = named.get(key);
  if (other !== undefined) {
    faults.value(path, name, `is the name of a ${kind} already, at ${other}`);
  }
  named.set(key, faults.at(path));
}

function resolveSite(
  resolving: Resolving,
  name: string,
  { site, document }: { readonly site: SiteDocument; readonly document: InventoryDocument },
): Site {
  const { faults } = resolving;
  const path = `site.${name}`;
  takeName(resolving, 'site', name, path);
  const balancers = Object.entries(site.balancer ?? {}).map(([own, balancer]) => {
    if (!FLEET_NAME.test(own)) {
      faults.value(`${path}.balancer.${own}`, own, FLEET_NAME_RULE);
    }
    return balancerOf(own, balancer);
  });
  if (balancers.length === 0) {
    faults.missing(
      `${path}.balancer`,
      'a site needs at least one balancer, or no member could be taken out of it',
    );
  }
  if (Object.keys(site.farm ?? {}).length === 0) {
    faults.missing(`${path}.farm`, 'a site needs at least one farm');
  }
  const farms = Object.entries(site.farm ?? {}).map(([farm, own]) =>
    resolveFarm(resolving, { path: `${path}.farm.${farm}`, name: farm, farm: own }, [
      { path: `${path}.defaults`, table: site.defaults ?? {} },
      { path: 'defaults', table: document.defaults ?? {} },
    ]),
  );
  return {
    name,
    balancers: balancers.toSorted(byName),
    farms: farms.map((farm) => ({ ...farm, site: name })).toSorted(byName),
    peakLoad: site['peak-load'] ?? null,
    sessionSeconds: site.session === undefined ? null : secondsOf(site.session),
    windows: windowsOf(site),
  };
}

function balancerOf(name: string, balancer: BalancerDocument): Balancer {
  switch (balancer.driver) {
    case 'haproxy': {
      const [blue, green] = balancer['farm-backends'] ?? ['blue', 'green'];
      const { driver, socket, 'member-backend': memberBackend = '{farm}' } = balancer;
      return { name, driver, socket, memberBackend, farmBackends: [blue, green] };
    }
    case 'health-file': {
      const noticedAfterSeconds = secondsOf(balancer['noticed-after']);
      return { name, driver: balancer.driver, noticedAfterSeconds };
    }
    case 'command':
      return { name, driver: balancer.driver, command: balancer.command };
  }
}

function windowsOf({ window = [], 'time-zone': timeZone = 'UTC' }: SiteDocument): Window[] {
  return window.map(({ days, from, to }) => ({ days: daysOf(days) ?? [], from, to, timeZone }));
}

function secondsOf(duration: string): number {
  return policyDurationMs(duration) / 1000;
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : Number(a.name > b.name);
}
