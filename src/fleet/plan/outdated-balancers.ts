import type { BalancerConfiguration } from '../drivers/ports.ts';
import type { Site } from '../inventory/inventory.ts';
import { someOf } from './findings.ts';
import type { Backend } from './plan.ts';

/** By the name of a balancer, what its configuration says, as far as anybody can tell. */
export type ConfiguredBalancers = ReadonlyMap<string, BalancerConfiguration>;

/**
 * Balancers that still have the configuration of before the last upgrade of the application: it takes the backend for the next release
 * that serves today, and its cookie binds visitors to it.
 *
 * @param live - the backend that serves, as Rookery has moved the farms
 */
export function outdatedBalancers(
  site: Site,
  live: Backend,
  configured: ConfiguredBalancers,
): readonly { readonly balancer: string; readonly sentence: string }[] {
  const farms = someOf(site.farms.map(({ name }) => name));
  return site.balancers.flatMap(({ name }) => {
    const said = configured.get(name);
    return said === undefined || said.live === live
      ? []
      : [
          {
            balancer: name,
            sentence: `The configuration of ${name} of ${site.name} takes ${said.live} for the backend that serves (generation ${said.generation}), and Rookery has ${farms} in ${live}: print it anew with "rookery fleet haproxy ${site.name}", and reload it.`,
          },
        ];
  });
}
