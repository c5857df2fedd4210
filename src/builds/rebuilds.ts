import type { Queries } from '../database/database.ts';
import type { JobRow, RequestRow } from '../database/tables.ts';
import type { PortagePlan } from '../gentoo/portage-plan.ts';
import type { Rebuild } from '../repository/gate/rebuilds-after.ts';
import { digestOf } from '../support/digests.ts';
import { isAppError, isPassing } from '../support/errors.ts';
import { type BuildPlan, inputsOf, type PlannedJob } from './build-plan.ts';
import type { BuildsContext } from './builds-context.ts';
import { jobSpecSchema, type PlanSpec } from './job.ts';
import { jobRowsOf } from './job-store.ts';
import { packageNameOf } from './place-jobs.ts';
import { FINAL_JOB_STATES } from './request.ts';
import { packagesOfRequest } from './request-packages.ts';

/** What has to be built again, and why: `category/pn:slot`, and what follows "because". */
export type Again = Pick<Rebuild, 'atom' | 'because'>;

/** Plans of one request that look for what has to be built again; what is left then is the gate's. */
export const MOST_PLANS = 5;

/** A package that is to be built, with its slot. */
export type PlannedPackage = Pick<PortagePlan['packages'][number], 'cpv' | 'slot'>;

type Target = Pick<RequestRow, 'profile' | 'publish_channel'>;

/**
 * What of the channel has to be built again when this is published, by sub-slots of what is planned and by all of
 * what is taken as it is. A package with a sub-slot that is itself planned is not among them.
 */
export async function rebuildsForPlan(
  context: BuildsContext,
  request: Target,
  plan: { readonly packages: readonly PlannedPackage[]; readonly reused: readonly string[] },
): Promise<readonly Rebuild[]> {
  if (request.publish_channel === null) {
    return [];
  }
  return await context.repository.toRebuild({
    profile: request.profile,
    channel: request.publish_channel,
    packageIds: plan.reused,
    planned: plan.packages.filter(({ slot }) => slot.includes('/')),
  });
}

/** Those that are not in the plan. */
export function notPlanned(rebuilds: readonly Rebuild[], plan: BuildPlan): Again[] {
  const names = new Set(plan.jobs.map(({ name }) => packageNameOf(name)));
  return rebuilds
    .filter(({ atom }) => !names.has(nameOf(atom)))
    .map(({ atom, because }) => ({ atom, because }));
}

/** The plan with the reason at each job that is there because of a rebuild: those, and what has the same version. */
export function withReasons(
  plan: BuildPlan,
  {
    again,
    rebuilds = [],
  }: { readonly again: readonly Again[]; readonly rebuilds?: readonly Rebuild[] },
): BuildPlan {
  const reasons = new Map([
    ...rebuilds.map(({ cpv, because }): [string, string] => [cpv, because]),
    ...again.map(({ atom, because }): [string, string] => [nameOf(atom), because]),
  ]);
  const jobs = plan.jobs.map((job): PlannedJob => {
    const because = reasons.get(job.name) ?? reasons.get(packageNameOf(job.name));
    return because === undefined ? job : reasoned(job, because);
  });
  return { ...plan, jobs };
}

/** Other inputs than those of the build that it takes the place of: what is done already will not do. */
function reasoned(job: PlannedJob, because: string): PlannedJob {
  const inputs = digestOf('sha256', `${inputsOf(job) ?? ''}\n${because}`);
  const { ingredients } = job;
  return {
    ...job,
    because: `Rebuilt because ${because}.`,
    inputs,
    ...(ingredients === undefined ? {} : { ingredients: { ...ingredients, isForced: true } }),
  };
}

/**
 * What has to be built again now that a job has built its package: of the channel, and of what the request has built
 * before. What the request still builds is left out, and what it has built again already.
 */
export async function rebuildsAfterJob(
  context: BuildsContext,
  job: JobRow,
  request: RequestRow,
): Promise<readonly Again[]> {
  const { publish_channel: channel, profile } = request;
  if (channel === null || job.package_id === null || job.kind === 'plan') {
    return [];
  }
  const packages = await packagesOfRequest(context.database, request.id);
  try {
    const rebuilds = await context.repository.toRebuild({
      profile,
      channel,
      packageIds: [...new Set([...packages.map(({ id }) => id), job.package_id])],
      changed: [job.package_id],
      planned: [],
    });
    return rebuilds.map(({ atom, because }) => ({ atom, because }));
  } catch (error) {
    if (!isAppError(error) || isPassing(error)) {
      throw error;
    }
    // Such as a profile that is broken now. The package is built all the same; the gate has the last word.
    context.log.warn({ jobId: job.id, error: error.message }, 'no look for rebuilds');
    return [];
  }
}

/** Those of them that the request does not take care of by what it builds, or has planned. */
export async function notUnderWay(
  queries: Queries,
  requestId: string,
  again: readonly Again[],
): Promise<readonly Again[]> {
  if (again.length === 0) {
    return [];
  }
  const known = new Set<string>();
  for (const job of await jobRowsOf(queries, requestId)) {
    const isOpen = !FINAL_JOB_STATES.some((state) => state === job.state);
    if (job.kind === 'package' && (isOpen || job.because !== null)) {
      known.add(packageNameOf(job.name));
    }
    if (job.kind === 'plan') {
      for (const { atom } of planSpecOf(job).again) {
        known.add(nameOf(atom));
      }
    }
  }
  return again.filter(({ atom }) => !known.has(nameOf(atom)));
}

export function planSpecOf(job: Pick<JobRow, 'spec_json'>): PlanSpec {
  const spec = jobSpecSchema.parse(JSON.parse(job.spec_json));
  if (spec.kind !== 'plan') {
    throw new Error('this is no plan job');
  }
  return spec;
}

/** `a/b:0 (libfoo.so.1 is gone from a/foo-2), a/c:0 (...)`. */
export function listed(again: readonly Again[]): string {
  const shown = again.slice(0, 10).map(({ atom, because }) => `${atom} (${because})`);
  const more = again.length > shown.length ? [`and ${again.length - shown.length} more`] : [];
  return [...shown, ...more].join(', ');
}

function nameOf(atom: string): string {
  return atom.slice(0, atom.lastIndexOf(':'));
}
