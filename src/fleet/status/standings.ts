import type { HardwareProfile, ProfileCatalog } from '../../gentoo/profile.ts';
import type { Clock } from '../../support/clock.ts';
import type { Inventories } from '../inventory/inventories.ts';
import { type Inventory, membersOf } from '../inventory/inventory.ts';
import type { InventoryRevision } from '../inventory/inventory-store.ts';
import { observedNodes } from '../observed/observed-store.ts';
import { type FleetStatus, fleetStatus } from './fleet-status.ts';
import { type SiteSources, type SiteStanding, siteStandings } from './site-standings.ts';

/** A day, and what a daily report may be late. */
export const FRESH_SECONDS = 26 * 3600;

export interface FleetStandings extends FleetStatus {
  /** Null while there is no inventory. */
  readonly revision: InventoryRevision | null;
  readonly inventory: Inventory;
  readonly sites: readonly SiteStanding[];
  /** Epoch milliseconds. */
  readonly at: number;
}

export interface StandingsContext extends SiteSources {
  readonly inventories: Inventories;
  readonly profiles: ProfileCatalog;
  readonly clock: Clock;
}

/** How all nodes stand: what is recorded of them beside what they say. */
export class Standings {
  readonly #context: StandingsContext;

  constructor(context: StandingsContext) {
    this.#context = context;
  }

  /** A node that has been silent for longer than `freshSeconds` is flagged. */
  async read(freshSeconds = FRESH_SECONDS): Promise<FleetStandings> {
    const { database, inventories, profiles, clock } = this.#context;
    const revision = (await inventories.current()) ?? null;
    const inventory = revision?.inventory ?? { sites: [] };
    const wanted = new Map(membersOf(inventory).map(({ node, profile }) => [node, profile]));
    const observed = await observedNodes(database, (node) => wanted.get(node));
    const known = new Map(profiles.list().map((profile) => [profile.name, profile]));
    const profileOf = (name: string): HardwareProfile | undefined => known.get(name);
    const at = clock.now();
    const status = fleetStatus(inventory, observed, { now: at, freshSeconds, profileOf });
    const sites = await siteStandings(this.#context, inventory);
    return { ...status, revision, inventory, sites, at };
  }
}
