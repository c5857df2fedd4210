import type { BalancerChange, BalancerDriver } from '../drivers/ports.ts';
import type { Site } from '../inventory/inventory.ts';

/** Tells all balancers of a site. Throws what the first that failed has said, after all were told. */
export async function setServers(
  driver: BalancerDriver,
  site: Site,
  changes: readonly BalancerChange[],
): Promise<void> {
  const told = await Promise.allSettled(
    site.balancers.map(async (balancer) => {
      await driver.set(site, balancer, changes);
    }),
  );
  const failed = told.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    throw failed.reason;
  }
}
