import type { JobRow, RequestRow } from '../database/tables.ts';
import type { PortagePlan } from '../gentoo/portage-plan.ts';
import { hardwareProfileSchema } from '../gentoo/profile.ts';
import { isAppError, isPassing } from '../support/errors.ts';
import { newId } from '../support/ids.ts';
import { resolvePlan } from './accept-plan.ts';
import { type BuildPlan, insertPlan } from './build-plan.ts';
import type { BuildsContext, Deed } from './builds-context.ts';
import { jobSpecSchema, type PlanSpec } from './job.ts';
import { insertJobs } from './job-store.ts';
import { newJobRow } from './new-job-row.ts';
import { placePlan } from './place-jobs.ts';
import { planHere } from './plan-here.ts';
import { insertPlanJob, nextPosition } from './plan-job.ts';
import {
  type Again,
  listed,
  MOST_PLANS,
  notPlanned,
  notUnderWay,
  planSpecOf,
  rebuildsAfterJob,
  rebuildsForPlan,
  withReasons,
} from './rebuilds.ts';
import { moveRequest } from './request-store.ts';

/** What comes of a plan: its jobs, or the question for a larger one. */
export type PlanStep =
  | { readonly kind: 'jobs'; readonly plan: BuildPlan }
  | { readonly kind: 'ask'; readonly spec: PlanSpec };

/**
 * What a plan of Portage comes to. What it leaves out and has to be built again with it is asked for in another plan,
 * as only Portage knows what that needs. Throws what `resolvePlan` throws.
 */
export async function afterPlan(
  context: BuildsContext,
  { job, request }: { readonly job: JobRow; readonly request: RequestRow },
  answer: PortagePlan,
): Promise<PlanStep> {
  const spec = planSpecOf(job);
  const plan = await resolvePlan(context, request, answer);
  const packages = answer.packages.filter(({ type }) => type === 'ebuild');
  const rebuilds =
    spec.round === 0 ? [] : await rebuildsForPlan(context, request, { packages, ...plan });
  const missing = await notUnderWay(context.database, request.id, notPlanned(rebuilds, plan));
  if (missing.length === 0 || spec.round >= MOST_PLANS) {
    const reasoned = withReasons(plan, { again: spec.again, rebuilds });
    return { kind: 'jobs', plan: spec.isSynced ? ofSyncedTree(reasoned) : reasoned };
  }
  const again = [...spec.again, ...missing];
  return { kind: 'ask', spec: { ...spec, sync: false, again, round: spec.round + 1 } };
}

/** Other builders may have older trees than the one that the plan was made with. */
function ofSyncedTree(plan: BuildPlan): BuildPlan {
  const jobs = plan.jobs.map((job) =>
    job.spec.kind === 'portage-package' ? { ...job, spec: { ...job.spec, sync: true } } : job,
  );
  return { ...plan, jobs };
}

/** What is left to ask when Portage has no plan with what has to be built again: the one without, if a part will do. */
export function afterRefusal(job: JobRow, request: RequestRow): PlanStep | undefined {
  const spec = planSpecOf(job);
  return spec.again.length > 0 && !spec.isMore && request.publish_partial === 1
    ? { kind: 'ask', spec: { ...spec, sync: false, again: [], round: 0 } }
    : undefined;
}

/** Why it is a plan of more than what was asked for; empty for the first. */
export function toldOfPlan(job: JobRow): string {
  const { again } = planSpecOf(job);
  return again.length === 0 ? '' : `To be built again with it: ${listed(again)}. `;
}

export async function takeStep(deed: Deed, row: RequestRow, step: PlanStep): Promise<void> {
  const profile = hardwareProfileSchema.parse(JSON.parse(row.profile_json));
  const request = { ...row, profile };
  if (step.kind === 'ask') {
    const { kind: _kind, ...spec } = step.spec;
    await insertPlanJob(deed, request, spec, becauseOf(spec.again));
    return;
  }
  await moveRequest(deed.queries, row.id, 'planning', {
    state: 'building',
    reason: null,
    finishedAt: null,
  });
  await insertPlan(deed, request, step.plan);
}

/** What a package that was just built makes necessary. */
export type Extension = PlanStep | { readonly kind: 'impossible'; readonly reason: string };

/**
 * What has to be built again now that a job has built its package, and how: with `portage` another plan says it, with
 * `source` the recipes do, here and now.
 */
export async function extensionAfter(
  context: BuildsContext,
  job: JobRow,
  request: RequestRow,
): Promise<Extension | undefined> {
  const found = await rebuildsAfterJob(context, job, request);
  const again = await notUnderWay(context.database, request.id, found);
  if (again.length === 0) {
    return undefined;
  }
  if (job.executor === 'portage') {
    const spec = {
      kind: 'plan',
      rebuild: false,
      isMore: true,
      round: 1,
      sync: false,
      isSynced: isOfSyncedTree(job),
    } as const;
    return { kind: 'ask', spec: { ...spec, atoms: [], resolve: [], again: [...again] } };
  }
  const profile = hardwareProfileSchema.parse(JSON.parse(request.profile_json));
  try {
    const plan = await planHere(context, profile, { atoms: [], rebuild: false, again });
    return { kind: 'jobs', plan: withReasons(plan, { again }) };
  } catch (error) {
    if (!isAppError(error) || isPassing(error)) {
      throw error;
    }
    return { kind: 'impossible', reason: `${becauseOf(again)} ${error.message}` };
  }
}

function isOfSyncedTree(job: JobRow): boolean {
  const spec = jobSpecSchema.parse(JSON.parse(job.spec_json));
  return spec.kind === 'portage-package' && spec.sync === true;
}

/** Adds to a request what its own package has made necessary, unless that was done meanwhile. */
export async function extend(deed: Deed, row: RequestRow, extension: Extension): Promise<void> {
  if (extension.kind === 'impossible') {
    await insertFailedPlan(deed, row, extension.reason);
    return;
  }
  if (extension.kind === 'jobs') {
    await takeStep(deed, row, extension);
    return;
  }
  const { spec } = extension;
  const again = await notUnderWay(deed.queries, row.id, spec.again);
  if (again.length > 0) {
    await takeStep(deed, row, { kind: 'ask', spec: { ...spec, again: [...again] } });
  }
}

async function insertFailedPlan(deed: Deed, row: RequestRow, reason: string): Promise<void> {
  const profile = hardwareProfileSchema.parse(JSON.parse(row.profile_json));
  const job = newJobRow({
    ...(await placePlan(deed.queries, { ...row, profile })),
    id: newId('job'),
    request_id: row.id,
    kind: 'plan',
    position: await nextPosition(deed, row.id),
    name: 'plan',
    executor: profile.executor,
    spec_json: JSON.stringify({ kind: 'plan', atoms: [], rebuild: false, isMore: true }),
    state: 'failed',
    reason,
    created_at: deed.now,
    finished_at: deed.now,
  });
  await insertJobs(deed.queries, [job], []);
}

function becauseOf(again: readonly Again[]): string | null {
  return again.length === 0 ? null : `To be built again: ${listed(again)}.`;
}
