import type { JobRow } from '../database/tables.ts';
import { findAttempt } from './attempt-store.ts';
import { recordTime } from './build-time-store.ts';
import type { Deed } from './builds-context.ts';
import { packageNameOf } from './place-jobs.ts';

/** Keeps how long a package that was built took, from the lease to the report: that orders the next plans. */
export async function recordBuildTime(deed: Deed, job: JobRow, profile: string): Promise<void> {
  const attempt = await findAttempt(deed.queries, job.id, job.attempt);
  if (job.kind === 'package' && attempt !== undefined) {
    await recordTime(deed.queries, {
      profile,
      package: packageNameOf(job.name),
      ms: Math.max(0, deed.now - attempt.started_at),
      now: deed.now,
    });
  }
}
