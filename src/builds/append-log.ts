import { updateAttempt } from './attempt-store.ts';
import type { LeaseKey } from './builds.ts';
import type { BuildsContext } from './builds-context.ts';
import { heldJob } from './fence.ts';

/** So exactly it is known when a log last grew. */
const NOTED_EVERY_MS = 10_000;
/** Attempts that are remembered; those that have ended are among them. */
const REMEMBERED = 10_000;

/** When the growth of a log was last noted: a log grows many times a second. */
export class LogTimes {
  readonly #notedAt = new Map<string, number>();

  /** Whether it is time to note it again. */
  isDue(key: LeaseKey, now: number): boolean {
    const name = `${key.jobId}/${key.attempt}`;
    const notedAt = this.#notedAt.get(name);
    if (notedAt !== undefined && Math.abs(now - notedAt) < NOTED_EVERY_MS) {
      return false;
    }
    if (this.#notedAt.size >= REMEMBERED) {
      this.#notedAt.clear();
    }
    this.#notedAt.set(name, now);
    return true;
  }
}

/** See `Builds.appendLog`. */
export async function appendLog(
  context: BuildsContext,
  times: LogTimes,
  key: LeaseKey,
  { offset, bytes }: { readonly offset: number; readonly bytes: Uint8Array },
): Promise<number> {
  await heldJob(context.database, key);
  const now = context.clock.now();
  if (bytes.byteLength > 0 && times.isDue(key, now)) {
    await updateAttempt(context.database, key, { log_at: now });
  }
  return await context.logs.append(key, offset, bytes);
}
