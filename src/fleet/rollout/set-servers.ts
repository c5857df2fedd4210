import type { BalancerChange, BalancerDriver } from '../drivers/ports.ts';
import type { Site } from '../inventory/inventory.ts';

/**
 * Who tells the balancers of a site something holds this lock meanwhile: what an engine says again that was forgotten must
 * not overtake what has been wanted since.
 */
export function lockOf(site: Site): string {
  return `balancers:${site.name}`;
}

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
