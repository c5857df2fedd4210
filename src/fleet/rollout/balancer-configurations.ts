import { isAppError, messageOf } from '../../support/errors.ts';
import type { BalancerConfiguration, BalancerDriver } from '../drivers/ports.ts';
import type { Site } from '../inventory/inventory.ts';

/** What the configurations of a site's balancers say; sentences about those that do not answer. */
export async function configurationsOf(
  driver: Pick<BalancerDriver, 'read'>,
  site: Site,
): Promise<{
  readonly configured: ReadonlyMap<string, BalancerConfiguration>;
  readonly silent: readonly string[];
}> {
  const configured = new Map<string, BalancerConfiguration>();
  const silent: string[] = [];
  await Promise.all(
    site.balancers.map(async (balancer) => {
      try {
        const said = (await driver.read(site, balancer)).configured;
        if (said !== undefined) {
          configured.set(balancer.name, said);
        }
      } catch (error) {
        if (!isAppError(error, 'balancer-unreachable')) {
          throw error;
        }
        silent.push(messageOf(error));
      }
    }),
  );
  return { configured, silent };
}
