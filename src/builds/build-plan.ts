import { newId } from '../support/ids.ts';
import type { Deed } from './builds-context.ts';
import type { JobSpec } from './job.ts';
import { at } from './job-graph.ts';
import { insertJobs, jobRowsOf } from './job-store.ts';
import { newJobRow } from './new-job-row.ts';
import { type PlacedRequest, placePackages } from './place-jobs.ts';
import { addPackages } from './request-store.ts';
import { tellJobReady } from './tell-jobs.ts';

/** What a request comes to: packages to build, and packages that are there already. */
export interface BuildPlan {
  /** In an order in which they can be built. */
  readonly jobs: readonly PlannedJob[];
  /** Ids of packages of the repository. */
  readonly reused: readonly string[];
}

export interface PlannedJob {
  /** Its CPV. */
  readonly name: string;
  readonly spec: JobSpec;
  /** Indices of the jobs that must have succeeded before. */
  readonly needs: readonly number[];
}

/** Writes the jobs of a planned request. Those that need nothing are ready at once. */
export async function insertPlan(
  deed: Deed,
  request: PlacedRequest & { readonly id: string },
  plan: BuildPlan,
): Promise<void> {
  const ids = plan.jobs.map(() => newId('job'));
  const idOf = (index: number): string => {
    const id = ids[index];
    if (id === undefined) {
      throw new Error(`the plan has no job ${index}`);
    }
    return id;
  };
  const placements = await placePackages(deed.queries, request, plan.jobs);
  await insertJobs(
    deed.queries,
    plan.jobs.map((job, index) =>
      newJobRow({
        ...at(placements, index),
        id: idOf(index),
        request_id: request.id,
        kind: 'package',
        position: index + 1,
        name: job.name,
        executor: request.profile.executor,
        spec_json: JSON.stringify(job.spec),
        state: job.needs.length === 0 ? 'ready' : 'waiting',
        created_at: deed.now,
      }),
    ),
    plan.jobs.flatMap((job, index) =>
      job.needs.map((need) => ({ job_id: idOf(index), needs_job_id: idOf(need) })),
    ),
  );
  const reused = plan.reused.map((id) => ({ id, how: 'reused' }) as const);
  await addPackages(deed.queries, request.id, reused);
  await deed.tell({
    actor: deed.actor,
    kind: 'request-planned',
    subject: `request:${request.id}`,
    data: { requestId: request.id, jobs: plan.jobs.length, reused: plan.reused.length },
  });
  const rows = await jobRowsOf(deed.queries, request.id);
  await tellJobReady(
    deed,
    rows.filter(({ kind, state }) => kind === 'package' && state === 'ready'),
  );
}
