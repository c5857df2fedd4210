import type { JobLook, JobsLook } from '../../builds/look-at-request.ts';
import type { ExplainedJob, Job } from '../../builds/request.ts';
import type { JobView, RequestDetail } from '../../protocol/builds.ts';
import type { HttpContext } from '../context.ts';
import { unknownJob } from './lookups.ts';
import { type JobNotes, jobView } from './views.ts';

/** Jobs with what their logs and their history tell. */
export function jobViews(
  jobs: readonly ExplainedJob[],
  { failures, progress, timeline }: JobsLook,
): Pick<RequestDetail, 'jobs' | 'expectedAt'> {
  const ends = new Map(timeline?.expected.map(({ jobId, endsAt }) => [jobId, endsAt]));
  const notesOf = ({ id }: Job): JobNotes => {
    const failure = failures.get(id);
    const endsAt = ends.get(id);
    return {
      progress: progress.get(id) ?? null,
      expectedAt: endsAt === undefined ? null : Math.round(endsAt),
      failure:
        failure === undefined
          ? null
          : {
              attempt: failure.attempt,
              phase: failure.phase,
              text: failure.text,
              line: failure.line,
            },
    };
  };
  return {
    jobs: jobs.map((job) => jobView(job, notesOf(job))),
    expectedAt: timeline?.expectedAt ?? null,
  };
}

/** One job as it is shown and as it is, and its attempts. Throws `unknown-job`. */
export async function oneJob(
  { builds }: Pick<HttpContext, 'builds'>,
  id: string,
): Promise<{ readonly view: JobView } & Pick<JobLook, 'job' | 'attempts'>> {
  const look = await builds.lookAtJob(id);
  if (look === undefined) {
    throw unknownJob(id);
  }
  const [view] = jobViews([look.job], look).jobs;
  if (view === undefined) {
    throw new Error(`the job ${id} has no view`);
  }
  return { view, job: look.job, attempts: look.attempts };
}
