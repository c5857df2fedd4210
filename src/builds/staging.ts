import type { JobRow } from '../database/tables.ts';
import type { BuildsContext } from './builds-context.ts';

/** The staging tree of the attempt that a job is at. */
export function stagingOf(job: Pick<JobRow, 'id' | 'request_id' | 'attempt'>): string {
  return `${job.request_id}-${job.id}-${job.attempt}`;
}

/** Removes the tree of an attempt that has ended. */
export function unstageInBackground(context: BuildsContext, job: JobRow): void {
  const name = stagingOf(job);
  context.inBackground(`unstage ${name}`, async () => {
    await context.repository.unstage(name);
  });
}
