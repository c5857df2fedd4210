import { findAttempt } from './attempt-store.ts';
import type { BuildsContext } from './builds-context.ts';

/** Packs the logs of attempts that have ended, but whose process ended first. Returns how many. */
export async function packEndedLogs(
  { logs, database }: Pick<BuildsContext, 'logs' | 'database'>,
  signal: AbortSignal,
): Promise<number> {
  let packed = 0;
  for (const jobId of await logs.jobIds()) {
    for (const attempt of await logs.unpacked(jobId)) {
      if (signal.aborted) {
        return packed;
      }
      const row = await findAttempt(database, jobId, attempt);
      if (row === undefined || row.finished_at !== null) {
        await logs.pack({ jobId, attempt });
        packed += 1;
      }
    }
  }
  return packed;
}
