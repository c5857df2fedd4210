import type { Queries } from '../database/database.ts';
import type { JobRow } from '../database/tables.ts';
import { sleep } from '../support/clock.ts';
import type { LeaseKey } from './builds.ts';
import { type BuildsContext, transact } from './builds-context.ts';
import { hear, heldJob, staleAttempt } from './fence.ts';
import { updateLeasedJob } from './job-store.ts';
import { isWantedElsewhere } from './join-store.ts';
import { isRequestCancelled } from './request-store.ts';

export interface HeartbeatWait {
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** What another server process has done is looked for this often. */
const LOOK_EVERY_MS = 2000;

/** Heartbeats that are held open, woken when something is to be told about their request or job. */
export class HeldHeartbeats {
  readonly #wakers = new Map<string, Set<AbortController>>();

  /** `id` is that of a request or a job. */
  wake(id: string): void {
    for (const waker of this.#wakers.get(id) ?? []) {
      waker.abort();
    }
  }

  /** Waits until one of these is woken, or for `ms`, or until the signal aborts. Whether one was woken. */
  async wait(ids: readonly string[], ms: number, signal: AbortSignal): Promise<boolean> {
    const waker = new AbortController();
    for (const id of ids) {
      this.#wakers.set(id, (this.#wakers.get(id) ?? new Set()).add(waker));
    }
    try {
      await sleep(ms, AbortSignal.any([waker.signal, signal]));
      return waker.signal.aborted;
    } finally {
      for (const id of ids) {
        const wakers = this.#wakers.get(id);
        wakers?.delete(waker);
        if (wakers?.size === 0) {
          this.#wakers.delete(id);
        }
      }
    }
  }
}

/**
 * Extends the lease, and answers when something is to be told, or after the wait. A cancelled job's lease is not
 * extended: an agent that does not stop loses it.
 */
export async function heartbeat(
  context: BuildsContext,
  held: HeldHeartbeats,
  key: LeaseKey,
  wait: HeartbeatWait,
): Promise<'go-on' | 'cancel'> {
  const requestId = await extendLease(context, key);
  const patience = Math.min(wait.waitMs, context.settings.leaseMs / 2);
  if (requestId === undefined) {
    return 'cancel';
  }
  for (let left = patience; left > 0 && !wait.signal.aborted; left -= LOOK_EVERY_MS) {
    const ms = Math.min(left, LOOK_EVERY_MS);
    const isWoken = await held.wait([requestId, key.jobId], ms, wait.signal);
    if (wait.signal.aborted || (!isWoken && (await context.looks.isUndisturbed(key)))) {
      continue;
    }
    if (await isCancelled(context, key)) {
      return 'cancel';
    }
  }
  return 'go-on';
}

/** The request of the job; undefined when it is cancelled. */
async function extendLease(context: BuildsContext, key: LeaseKey): Promise<string | undefined> {
  return await transact(context, `agent:${key.agent}`, async ({ queries, now }) => {
    const job = await hear(queries, key, now);
    await context.seen.note(queries, { name: key.agent, at: now, diskFreeBytes: undefined });
    if (await isToStop(queries, job)) {
      return undefined;
    }
    const expiresAt = now + context.settings.leaseMs;
    if (!(await updateLeasedJob(queries, key, { lease_expires_at: expiresAt }))) {
      throw staleAttempt(key);
    }
    return job.request_id;
  });
}

async function isCancelled(context: BuildsContext, key: LeaseKey): Promise<boolean> {
  return await isToStop(context.database, await heldJob(context.database, key));
}

/** What another request waits for goes on. */
async function isToStop(queries: Queries, job: JobRow): Promise<boolean> {
  return (
    (await isRequestCancelled(queries, job.request_id)) &&
    !(await isWantedElsewhere(queries, job.id))
  );
}
