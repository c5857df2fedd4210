import { AsyncLocalStorage } from 'node:async_hooks';
import type { HeldLock } from './lock-session.ts';

const holding = new AsyncLocalStorage<readonly HeldLock[]>();

/** Runs work that relies on a lock: what it writes is refused once the lock is lost. */
export async function withHeld<T>(lock: HeldLock, work: () => Promise<T>): Promise<T> {
  return await holding.run([...heldLocks(), lock], work);
}

/** The locks that the work under way relies on. Those that were let go of meanwhile, it has outlived. */
export function heldLocks(): readonly HeldLock[] {
  return (holding.getStore() ?? []).filter(({ state }) => state !== 'released');
}
