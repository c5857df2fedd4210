import type { BlockedBuildRow, JobRow } from '../database/tables.ts';
import { newId } from '../support/ids.ts';
import { blockedAmong, removeBlocks } from './blocked-store.ts';
import type { Deed } from './builds-context.ts';
import { type JobIngredients, type JobSpec, skipReason } from './job.ts';
import { at } from './job-graph.ts';
import { insertJobs, jobRowsOf, skipDependants } from './job-store.ts';
import { offerJobs } from './join-jobs.ts';
import { newJobRow } from './new-job-row.ts';
import { type PlacedRequest, placePackages } from './place-jobs.ts';
import { addPackages } from './request-store.ts';
import { tellJobFinished } from './tell-jobs.ts';
import { blockedReason, tellUnblocked } from './unblock.ts';

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
  /** Digest of what is known to decide how the build ends, unless `spec` has it. */
  readonly inputs?: string;
  /** Of what Portage builds; `job` is an index. */
  readonly ingredients?: PlannedIngredients;
  /** Indices of the jobs that must have succeeded before. */
  readonly needs: readonly number[];
}

export interface PlannedIngredients extends Omit<JobIngredients, 'with'> {
  readonly with: readonly {
    readonly cpv: string;
    readonly slot: string;
    readonly job: number | null;
  }[];
}

/**
 * Writes the jobs of a planned request. Those that need nothing are ready at once; those that are blocked have failed
 * before they begin, unless the request says that they are to be tried again.
 */
export async function insertPlan(
  deed: Deed,
  request: PlacedRequest & { readonly id: string; readonly retry_blocked: number },
  plan: BuildPlan,
): Promise<void> {
  const blocks = await blocksOf(deed, request, plan);
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
        inputs: inputsOf(job),
        ingredients_json: ingredientsJson(job, idOf),
        created_at: deed.now,
        ...stateOf(deed, job, blocks),
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
  await tellJobs(deed, request.id);
}

/** The blocks that stop jobs of the plan, by CPV. */
async function blocksOf(
  deed: Deed,
  request: PlacedRequest & { readonly retry_blocked: number },
  plan: BuildPlan,
): Promise<ReadonlyMap<string, BlockedBuildRow>> {
  const names = plan.jobs.map(({ name }) => name);
  const profile = request.profile.name;
  if (request.retry_blocked === 1) {
    await tellUnblocked(deed, await removeBlocks(deed.queries, profile, names));
    return new Map();
  }
  const inputsByName = new Map(plan.jobs.map((job) => [job.name, inputsOf(job)]));
  const rows = await blockedAmong(deed.queries, profile, names);
  return new Map(
    rows.filter(({ cpv, inputs }) => inputsByName.get(cpv) === inputs).map((row) => [row.cpv, row]),
  );
}

function inputsOf({ inputs, spec }: PlannedJob): string | null {
  return inputs ?? (spec.kind === 'source-package' ? spec.inputs : null);
}

function stateOf(
  { now }: Deed,
  job: PlannedJob,
  blocks: ReadonlyMap<string, BlockedBuildRow>,
): Pick<JobRow, 'state' | 'reason' | 'finished_at'> {
  const block = blocks.get(job.name);
  return block === undefined
    ? { state: job.needs.length === 0 ? 'ready' : 'waiting', reason: null, finished_at: null }
    : { state: 'failed', reason: blockedReason(block), finished_at: now };
}

function ingredientsJson(
  { ingredients }: PlannedJob,
  idOf: (index: number) => string,
): string | null {
  if (ingredients === undefined) {
    return null;
  }
  const made: JobIngredients = {
    ...ingredients,
    with: ingredients.with.map(({ job, ...one }) => ({
      ...one,
      job: job === null ? null : idOf(job),
    })),
  };
  return JSON.stringify(made);
}

async function tellJobs(deed: Deed, requestId: string): Promise<void> {
  const rows = (await jobRowsOf(deed.queries, requestId)).filter(({ kind }) => kind === 'package');
  const blocked = rows.filter(({ state }) => state === 'failed');
  await tellJobFinished(deed, blocked);
  for (const job of blocked) {
    const end = { reason: skipReason(job), now: deed.now };
    await tellJobFinished(deed, await skipDependants(deed.queries, job.id, end));
  }
  await offerJobs(
    deed,
    rows.filter(({ state }) => state === 'ready'),
  );
}
