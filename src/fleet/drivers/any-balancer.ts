import type { Balancer, Site } from '../inventory/inventory.ts';
import type { BalancerChange, BalancerDriver, BalancerReading } from './ports.ts';

/** Gives each balancer to the driver of its kind. */
export class AnyBalancerDriver implements BalancerDriver {
  readonly #drivers: Readonly<Record<Balancer['driver'], BalancerDriver>>;

  constructor(drivers: Readonly<Record<Balancer['driver'], BalancerDriver>>) {
    this.#drivers = drivers;
  }

  async set(site: Site, balancer: Balancer, changes: readonly BalancerChange[]): Promise<void> {
    await this.#drivers[balancer.driver].set(site, balancer, changes);
  }

  async read(site: Site, balancer: Balancer): Promise<BalancerReading> {
    return await this.#drivers[balancer.driver].read(site, balancer);
  }
}
