import type { Drivers } from '../../../src/fleet/drivers/ports.ts';
import type { EngineContext } from '../../../src/fleet/rollout/rollout-context.ts';

type Parts = Pick<EngineContext, 'drivers' | 'transact' | 'time'>;

/** Kills engines at calls that they make: before one is made, or after it, without its answer. What comes later from a dead one is never done. */
export class MortalEngine {
  isDead = false;
  /** Calls of all engines. */
  calls = 0;
  #killAt = Number.POSITIVE_INFINITY;
  #when: 'before' | 'after' = 'before';

  /** The engine dies at the call that is so many calls away. */
  dieIn(calls: number, when: 'before' | 'after'): void {
    this.#killAt = this.calls + calls;
    this.#when = when;
  }

  /** The next engine lives. */
  revive(): void {
    this.isDead = false;
    this.#killAt = Number.POSITIVE_INFINITY;
  }

  /** The parts of one engine. */
  wrap({ drivers, transact, time }: Parts): Parts {
    const life = { isOver: false };
    const call = async <T>(act: () => Promise<T>): Promise<T> => await this.#call(life, act);
    const { nodes, balancers, caches, notifier } = drivers;
    const wrapped: Drivers = {
      nodes: {
        start: async (...told) => await call(async () => await nodes.start(...told)),
        state: async (...asked) => await call(async () => await nodes.state(...asked)),
        look: async (...asked) => await call(async () => await nodes.look(...asked)),
      },
      balancers: {
        set: async (...told) => await call(async () => await balancers.set(...told)),
        read: async (...asked) => await call(async () => await balancers.read(...asked)),
      },
      caches: {
        flush: async (...told) => await call(async () => await caches.flush(...told)),
      },
      notifier: {
        tell: async (...told) => await call(async () => await notifier.tell(...told)),
      },
    };
    return {
      drivers: wrapped,
      transact: async (work) => await call(async () => await transact(work)),
      time: {
        now: () => time.now(),
        sleep: async (ms, signal) => {
          await time.sleep(ms, signal);
          if (life.isOver) {
            await never();
          }
        },
      },
    };
  }

  async #call<T>(life: { isOver: boolean }, act: () => Promise<T>): Promise<T> {
    if (life.isOver) {
      return await never();
    }
    this.calls += 1;
    const isLast = this.calls >= this.#killAt;
    if (isLast && this.#when === 'before') {
      return await this.#die(life);
    }
    const done = await settledOf(act);
    if (isLast) {
      return await this.#die(life);
    }
    return life.isOver ? await never() : done();
  }

  async #die(life: { isOver: boolean }): Promise<never> {
    life.isOver = true;
    this.isDead = true;
    this.#killAt = Number.POSITIVE_INFINITY;
    return await never();
  }
}

async function settledOf<T>(act: () => Promise<T>): Promise<() => T> {
  try {
    const value = await act();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

async function never(): Promise<never> {
  return await new Promise(() => undefined);
}
