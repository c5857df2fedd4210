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
import { addReused } from './request-packages.ts';
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
  /** Why it is built although nobody has asked for it; a sentence. */
  readonly because?: string;
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
  const known = await jobRowsOf(deed.queries, request.id);
  const { jobs, needs, idOf } = newJobs(plan, known);
  const blocks = await blocksOf(deed, request, jobs);
  const placements = await placePackages(
    deed.queries,
    request,
    jobs.map(({ job, fresh }) => ({ name: job.name, needs: fresh })),
  );
  const last = known.reduce((most, { position }) => Math.max(most, position), 0);
  await insertJobs(
    deed.queries,
    jobs.map(({ id, job, isFree }, index) =>
      newJobRow({
        ...at(placements, index),
        id,
        request_id: request.id,
        kind: 'package',
        position: last + index + 1,
        name: job.name,
        executor: request.profile.executor,
        spec_json: JSON.stringify(job.spec),
        inputs: inputsOf(job),
        because: job.because ?? null,
        ingredients_json: ingredientsJson(job, idOf),
        created_at: deed.now,
        ...stateOf(deed, { job, isFree }, blocks),
      }),
    ),
    needs,
  );
  await addReused(deed.queries, request.id, plan.reused);
  await deed.tell({
    actor: deed.actor,
    kind: 'request-planned',
    subject: `request:${request.id}`,
    data: {
      requestId: request.id,
      jobs: jobs.length,
      reused: plan.reused.length,
      rebuilds: jobs.flatMap(({ job: { name, because } }) =>
        because === undefined ? [] : [{ name, because }],
      ),
    },
  });
  await tellJobs(deed, request.id, new Set(jobs.map(({ id }) => id)));
}

interface NewJob {
  readonly id: string;
  readonly job: PlannedJob;
  /** Places among the new jobs of those that it needs. */
  readonly fresh: readonly number[];
  /** All that it needs is there. */
  readonly isFree: boolean;
}

/** The jobs of a plan that the request does not have yet, and the pairs of a new job and one that it needs. */
function newJobs(
  plan: BuildPlan,
  known: readonly JobRow[],
): {
  readonly jobs: readonly NewJob[];
  readonly needs: readonly { readonly job_id: string; readonly needs_job_id: string }[];
  /** Of a job of the plan, by index, new or not. */
  readonly idOf: (index: number) => string;
} {
  const usable = new Map(known.filter(isUsable).map((row) => [row.name, row]));
  const there = plan.jobs.map((job) => {
    const row = usable.get(job.name);
    return row?.state === 'succeeded' && job.because !== undefined ? undefined : row;
  });
  const ids = plan.jobs.map((_, index) => there[index]?.id ?? newId('job'));
  const places = new Map<number, number>();
  for (const index of plan.jobs.keys()) {
    if (there[index] === undefined) {
      places.set(index, places.size);
    }
  }
  const jobs = [...places.keys()].map((index): NewJob => {
    const job = at(plan.jobs, index);
    return {
      id: at(ids, index),
      job,
      fresh: job.needs.flatMap((need) => places.get(need) ?? []),
      isFree: job.needs.every((need) => there[need]?.state === 'succeeded'),
    };
  });
  const needs = jobs.flatMap(({ id, job }) =>
    job.needs.map((need) => ({ job_id: id, needs_job_id: at(ids, need) })),
  );
  return { jobs, needs, idOf: (index) => at(ids, index) };
}

/** Something can wait for it, or have it. */
function isUsable({ kind, state }: JobRow): boolean {
  return kind === 'package' && ['waiting', 'ready', 'leased', 'succeeded'].includes(state);
}

/** The blocks that stop jobs of the plan, by CPV. */
async function blocksOf(
  deed: Deed,
  request: PlacedRequest & { readonly retry_blocked: number },
  jobs: readonly NewJob[],
): Promise<ReadonlyMap<string, BlockedBuildRow>> {
  const names = jobs.map(({ job }) => job.name);
  const profile = request.profile.name;
  if (request.retry_blocked === 1) {
    await tellUnblocked(deed, await removeBlocks(deed.queries, profile, names));
    return new Map();
  }
  const inputsByName = new Map(jobs.map(({ job }) => [job.name, inputsOf(job)]));
  const rows = await blockedAmong(deed.queries, profile, names);
  return new Map(
    rows.filter(({ cpv, inputs }) => inputsByName.get(cpv) === inputs).map((row) => [row.cpv, row]),
  );
}

export function inputsOf({ inputs, spec }: PlannedJob): string | null {
  return inputs ?? (spec.kind === 'source-package' ? spec.inputs : null);
}

function stateOf(
  { now }: Deed,
  { job, isFree }: Pick<NewJob, 'job' | 'isFree'>,
  blocks: ReadonlyMap<string, BlockedBuildRow>,
): Pick<JobRow, 'state' | 'reason' | 'finished_at'> {
  const block = blocks.get(job.name);
  return block === undefined
    ? { state: isFree ? 'ready' : 'waiting', reason: null, finished_at: null }
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

async function tellJobs(deed: Deed, requestId: string, ids: ReadonlySet<string>): Promise<void> {
  const rows = (await jobRowsOf(deed.queries, requestId)).filter(({ id }) => ids.has(id));
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
