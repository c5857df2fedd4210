import type { Drivers } from '../../../src/fleet/drivers/ports.ts';
import type { EngineContext } from '../../../src/fleet/rollout/rollout-context.ts';

type Parts = Pick<EngineContext, 'drivers' | 'transact'>;

/** Kills an engine at one of the calls that it makes: before it is made, or after, without its answer. */
export class Killer {
  /** Calls of all engines. */
  calls = 0;
  isDead = false;
  readonly #at: number;
  readonly #when: 'before' | 'after';

  constructor(at = Number.POSITIVE_INFINITY, when: 'before' | 'after' = 'before') {
    this.#at = at;
    this.#when = when;
  }

  /** The next engine lives. */
  revive(): void {
    this.isDead = false;
  }

  wrap({ drivers, transact }: Parts): Parts {
    const life = { isOver: false };
    const call = async <T>(act: () => Promise<T>): Promise<T> => await this.#call(life, act);
    const { nodes, balancers, caches, notifier } = drivers;
    const wrapped: Drivers = {
      nodes: {
        start: async (member, step) => {
          await call(async () => {
            await nodes.start(member, step);
          });
        },
        state: async (member, id) => await call(async () => await nodes.state(member, id)),
        look: async (member) => await call(async () => await nodes.look(member)),
      },
      balancers: {
        set: async (site, balancer, changes) => {
          await call(async () => {
            await balancers.set(site, balancer, changes);
          });
        },
        read: async (site, balancer) =>
          life.isOver ? await never() : await balancers.read(site, balancer),
      },
      caches: {
        flush: async (farm, endpoint) => {
          await call(async () => {
            await caches.flush(farm, endpoint);
          });
        },
      },
      notifier,
    };
    return {
      drivers: wrapped,
      transact: async (work) => await call(async () => await transact(work)),
    };
  }

  async #call<T>(life: { isOver: boolean }, act: () => Promise<T>): Promise<T> {
    if (life.isOver) {
      return await never();
    }
    const number = this.calls;
    this.calls += 1;
    if (number === this.#at && this.#when === 'before') {
      return await this.#die(life);
    }
    const result = await act();
    if (number === this.#at) {
      return await this.#die(life);
    }
    return life.isOver ? await never() : result;
  }

  async #die(life: { isOver: boolean }): Promise<never> {
    life.isOver = true;
    this.isDead = true;
    return await never();
  }
}

async function never(): Promise<never> {
  return await new Promise(() => undefined);
}
