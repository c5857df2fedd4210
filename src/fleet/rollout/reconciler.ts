import type { BalancerWishRow } from '../../database/tables.ts';
import { messageOf } from '../../support/errors.ts';
import type { BalancerChange } from '../drivers/ports.ts';
import type { Site } from '../inventory/inventory.ts';
import {
  adminOfWish,
  RELEASED,
  settleReleased,
  sitesWithWishes,
  standingWishes,
} from './fleet-store.ts';
import type { Readings } from './readings.ts';
import type { EngineContext } from './rollout-context.ts';
import { ACTIVE_STATES } from './rollout-store.ts';
import { lockOf } from './set-servers.ts';
import { nameOfServer, serverOfName } from './unit-actions.ts';
import { Wake } from './wake.ts';

/**
 * Tells balancers again what they were told when they have forgotten it: because they were started anew, or because
 * somebody else has let in what a rollout keeps out. What administrators take out by hand stays out: `ready` is only said
 * again to a balancer that was started anew, and of a node that was given free until all balancers show it so.
 */
export class Reconciler {
  readonly #context: EngineContext;
  readonly #readings: Readings;
  /** By site and balancer. */
  readonly #incarnations = new Map<string, string>();
  readonly #wake: Wake;

  constructor(context: EngineContext, readings: Readings) {
    this.#context = context;
    this.#readings = readings;
    this.#wake = new Wake(context.time);
  }

  /** A node was given free. */
  wake(): void {
    this.#wake.now();
  }

  /** Looks again and again, until the signal. */
  async work(signal: AbortSignal): Promise<void> {
    const { settings, log } = this.#context;
    signal.addEventListener('abort', () => {
      this.wake();
    });
    while (!signal.aborted) {
      try {
        await this.look();
      } catch (error) {
        log.warn({ error: messageOf(error) }, 'balancers cannot be looked at now');
      }
      await this.#wake.wait(settings.watchMs);
    }
  }

  async look(): Promise<void> {
    const { database, inventory, locks } = this.#context;
    const names = new Set(await sitesWithWishes(database, ACTIVE_STATES));
    if (names.size === 0) {
      return;
    }
    const recorded = await inventory();
    for (const site of recorded.inventory.sites.filter(({ name }) => names.has(name))) {
      await locks.run(lockOf(site), async () => {
        await this.#reassert(site, await standingWishes(database, site.name, ACTIVE_STATES));
      });
    }
  }

  async #reassert(site: Site, wishes: readonly BalancerWishRow[]): Promise<void> {
    const { drivers, log, database } = this.#context;
    const reading = await this.#readings.of(site);
    const released = wishes.filter(({ rollout }) => rollout === RELEASED);
    const shown = released.filter((wish) => reading.isSet(wish.server, adminOfWish(wish)));
    await settleReleased(
      database,
      site.name,
      shown.map(({ server }) => server),
    );
    for (const balancer of site.balancers) {
      const said = reading.balancers.get(balancer.name);
      if (said === undefined || typeof said === 'string') {
        continue;
      }
      const key = JSON.stringify([site.name, balancer.name]);
      const isNew = this.#incarnations.get(key) !== said.incarnation;
      const states = new Map(said.servers.map(({ server, to }) => [nameOfServer(server), to]));
      const forgotten = wishes
        .filter((wish) => {
          const state = states.get(wish.server);
          const isSaid = isNew || wish.admin_state !== 'ready' || released.includes(wish);
          return state !== undefined && state !== wish.admin_state && isSaid;
        })
        .map(
          (wish): BalancerChange => ({ server: serverOfName(wish.server), to: adminOfWish(wish) }),
        );
      if (forgotten.length > 0) {
        log.warn(
          { site: site.name, balancer: balancer.name, servers: forgotten.length },
          'a balancer had forgotten what it was told',
        );
        await drivers.balancers.set(site, balancer, forgotten);
      }
      this.#incarnations.set(key, said.incarnation);
    }
  }
}
