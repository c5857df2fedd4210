import { messageOf } from '../support/errors.ts';
import { type Service, startAll, stopAll } from '../support/lifecycle.ts';
import type { Log } from '../support/log.ts';
import { repeating } from '../support/schedule.ts';
import type { HeldLock, LockSession } from './lock-session.ts';

const LEADER = 'leader';
const EVERY_MS = 1000;

/**
 * Runs services on one of several servers: on the one that has the lock of the leader. Who loses it stops them, and another
 * starts its own.
 */
export function leading(
  session: LockSession,
  services: readonly Service[],
  log: Pick<Log, 'info' | 'warn' | 'error'>,
): Service {
  let lock: HeldLock | undefined;
  const resign = async (): Promise<void> => {
    const held = lock;
    lock = undefined;
    if (held !== undefined) {
      await stopAll(services);
      await held.release();
    }
  };
  const turn = repeating({
    name: 'leadership',
    everyMs: EVERY_MS,
    work: async () => {
      if (lock?.state === 'lost') {
        log.warn({}, 'leads no more: the connection that held the lock was lost');
        await resign();
      }
      if (lock !== undefined) {
        return;
      }
      lock = await session.tryLock(LEADER);
      if (lock === undefined) {
        return;
      }
      log.info({}, 'leads: reaping, schedules and the drop folder are done here');
      try {
        await startAll(services);
      } catch (error) {
        await lock.release();
        lock = undefined;
        throw error;
      }
    },
    onError: (error) => {
      log.error({ error: messageOf(error) }, 'looking for the leader failed');
    },
  });
  return {
    name: 'leadership',
    start: async () => {
      await turn.start();
    },
    stop: async () => {
      await turn.stop();
      await resign();
    },
  };
}
