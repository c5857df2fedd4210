import { setTimeout as delay } from 'node:timers/promises';
import { Locks } from '../support/locks.ts';
import { withHeld } from './held-locks.ts';
import type { HeldLock, LockSession } from './lock-session.ts';

const FIRST_WAIT_MS = 5;
const LONGEST_WAIT_MS = 250;

/**
 * Named locks over all servers of a database. Work whose lock is lost with its connection goes on, but nothing that it
 * writes to the database is taken (`lock-lost`): by then another server may have the lock.
 */
export class ClusterLocks extends Locks {
  readonly #session: LockSession;

  constructor(session: LockSession) {
    super();
    this.#session = session;
  }

  override async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    return await super.run(name, async () => {
      const held = await this.#take(name);
      try {
        return await withHeld(held, work);
      } finally {
        await held.release();
      }
    });
  }

  /** Asks again and again: waiting in the database would hold up the locks of others on the same connection. */
  async #take(name: string): Promise<HeldLock> {
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      const held = await this.#session.tryLock(`work:${name}`);
      if (held !== undefined) {
        return held;
      }
      await delay(waitMs * (0.5 + Math.random() / 2));
    }
  }
}
