import {
  type BuildRequest,
  type ExplainedJob,
  FINAL_REQUEST_STATES,
  type Job,
} from '../../builds/request.ts';
import type { JobView, RequestDetail } from '../../protocol/builds.ts';
import type { HttpContext } from '../context.ts';
import { requireJob, requireRequest } from './lookups.ts';
import { type JobNotes, jobView } from './views.ts';

/** The jobs of a request with what their logs and their history tell. */
export async function jobViews(
  { records }: Pick<HttpContext, 'records'>,
  request: BuildRequest,
  jobs: readonly ExplainedJob[],
): Promise<Pick<RequestDetail, 'jobs' | 'expectedAt'>> {
  const isOver = FINAL_REQUEST_STATES.includes(request.state);
  const [failures, progress, timeline] = await Promise.all([
    records.failures(jobs.filter(({ attempt }) => attempt > 0).map(({ id }) => id)),
    records.progress(runningAttempts(jobs)),
    isOver ? undefined : records.timeline(request.id),
  ]);
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

/** Throws `unknown-job`. */
export async function oneJobView(context: HttpContext, id: string): Promise<JobView> {
  const job = await requireJob(context, id);
  const request = await requireRequest(context, job.requestId);
  const [view] = (await jobViews(context, request, [job])).jobs;
  if (view === undefined) {
    throw new Error(`the job ${id} has no view`);
  }
  return view;
}

export function runningAttempts(
  jobs: readonly Pick<Job, 'id' | 'attempt' | 'state'>[],
): { readonly jobId: string; readonly attempt: number }[] {
  return jobs
    .filter(({ state }) => state === 'leased')
    .map(({ id, attempt }) => ({ jobId: id, attempt }));
}
