import type { JobRow } from '../database/tables.ts';
import type { BuildFailure } from '../gentoo/build-failure.ts';
import type { Deed } from './builds-context.ts';

/** Journal: `job-ready`, subject `job:<id>`. */
export async function tellJobReady(deed: Deed, jobs: readonly JobRow[]): Promise<void> {
  await deed.tell(
    ...jobs.map((job) => ({
      actor: deed.actor,
      kind: 'job-ready',
      subject: `job:${job.id}`,
      data: describe(job),
    })),
  );
}

/** Journal: `job-finished`, whatever the end, with state and reason, and the first error of its log if it failed. */
export async function tellJobFinished(
  deed: Deed,
  jobs: readonly JobRow[],
  failure?: BuildFailure,
): Promise<void> {
  const found =
    failure === undefined
      ? {}
      : { failure: { phase: failure.phase, text: failure.text, line: failure.line } };
  await deed.tell(
    ...jobs.map((job) => ({
      actor: deed.actor,
      kind: 'job-finished',
      subject: `job:${job.id}`,
      data: {
        ...describe(job),
        state: job.state,
        reason: job.reason,
        packageId: job.package_id,
        ...found,
      },
    })),
  );
}

/** Journal: `job-leased`. */
export async function tellJobLeased(deed: Deed, job: JobRow): Promise<void> {
  await deed.tell({
    actor: deed.actor,
    kind: 'job-leased',
    subject: `job:${job.id}`,
    data: { ...describe(job), agent: job.agent },
  });
}

/** Journal: `job-joined`: another request builds it as well. */
export async function tellJobJoined(deed: Deed, job: JobRow, leader: JobRow): Promise<void> {
  await deed.tell({
    actor: deed.actor,
    kind: 'job-joined',
    subject: `job:${job.id}`,
    data: { ...describe(job), joinedJobId: leader.id, builtByRequest: leader.request_id },
  });
}

/** Journal: `package-blocked`, subject `job:<id>`. */
export async function tellPackageBlocked(deed: Deed, job: JobRow, profile: string): Promise<void> {
  await deed.tell({
    actor: deed.actor,
    kind: 'package-blocked',
    subject: `job:${job.id}`,
    data: { ...describe(job), profile, reason: job.reason },
  });
}

function describe(job: JobRow): Record<string, unknown> {
  return { requestId: job.request_id, jobId: job.id, name: job.name, attempt: job.attempt };
}
