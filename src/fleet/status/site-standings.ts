import type { Database } from '../../database/database.ts';
import type { BalancerDriver } from '../drivers/ports.ts';
import type { Inventory, Site } from '../inventory/inventory.ts';
import { outdatedBalancers } from '../plan/outdated-balancers.ts';
import type { Backend } from '../plan/plan.ts';
import { configurationsOf } from '../rollout/balancer-configurations.ts';
import { liveBackends } from '../rollout/fleet-store.ts';

/** Which backend of a site serves, as rollouts have moved its farms. */
export interface SiteStanding {
  readonly site: string;
  readonly live: Backend;
  /** The rollout that has moved the last of its farms; null: none has. */
  readonly rollout: string | null;
  /** What is not as it should be with its balancers, sentences. */
  readonly findings: readonly string[];
}

export interface SiteSources {
  readonly database: Database;
  readonly balancers: Pick<BalancerDriver, 'read'>;
}

/** Balancers of sites that no rollout has moved are not asked: their configuration cannot be of an upgrade before. */
export async function siteStandings(
  { database, balancers }: SiteSources,
  { sites }: Inventory,
): Promise<readonly SiteStanding[]> {
  const moved = new Map((await liveBackends(database)).map((row) => [row.site, row]));
  return await Promise.all(
    sites.map(async (site): Promise<SiteStanding> => {
      const row = moved.get(site.name);
      const live: Backend = row?.backend === 'green' ? 'green' : 'blue';
      const findings = row === undefined ? [] : await findingsOf(balancers, site, live);
      return { site: site.name, live, rollout: row?.rollout ?? null, findings };
    }),
  );
}

async function findingsOf(
  driver: SiteSources['balancers'],
  site: Site,
  live: Backend,
): Promise<readonly string[]> {
  const { configured, silent } = await configurationsOf(driver, site);
  const outdated = outdatedBalancers(site, live, configured);
  return [...silent, ...outdated.map(({ sentence }) => sentence)];
}
