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
import { type Resolving, takeName } from './resolving.ts';

export interface InventoryPart {
  readonly document: InventoryDocument;
  readonly place: DocumentPlace;
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
    case 'haproxy':
      return {
        name,
        driver: 'haproxy',
        socket: balancer.socket,
        memberBackend: balancer['member-backend'] ?? '{farm}',
        farmBackends: balancer['farm-backends'] ?? ['blue', 'green'],
      };
    case 'health-file':
      return {
        name,
        driver: 'health-file',
        noticedAfterSeconds: secondsOf(balancer['noticed-after']),
      };
    case 'command':
      return { name, driver: 'command', command: balancer.command };
    default:
      return balancer satisfies never;
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
