import * as z from 'zod';
import type { RequestRow } from '../database/tables.ts';
import { type PlanProblem, problemText } from '../gentoo/plan-problem.ts';
import { type PortagePlan, portagePlanSchema } from '../gentoo/portage-plan.ts';
import { hardwareProfileSchema } from '../gentoo/profile.ts';
import { newestContents, newestOfNames } from '../repository/content-store.ts';
import { PROVENANCE_KEY, readProvenance } from '../repository/provenance.ts';
import { AppError } from '../support/errors.ts';
import type { BuildPlan } from './build-plan.ts';
import type { LeaseKey } from './builds.ts';
import { type BuildsContext, transact } from './builds-context.ts';
import { hear, heldJob } from './fence.ts';
import { ownIngredients, portageInputs } from './inputs-digest.ts';
import { packageNameOf } from './place-jobs.ts';
import { cpvsToLookUp, isBuildOf, type KnownBuilds, planFromPortage } from './plan-from-portage.ts';
import { findRequestRow, setPlan, toRequest } from './request-store.ts';
import { stalePackages, type TakenPackage } from './stale-packages.ts';

const storedPlanSchema = z.object({
  attempt: z.number(),
  /** A request may have several plan jobs, one after the other. */
  job: z.string().optional(),
  plan: portagePlanSchema,
});

/**
 * Checks a plan and keeps it; its jobs are made when the attempt has succeeded. The last plan counts. Answers with what
 * is to be planned anew from ebuilds, as `category/pn:slot`, because what there is of it may have changed; with nothing
 * when the plan is good as it is.
 */
export async function acceptPlan(
  context: BuildsContext,
  key: LeaseKey,
  plan: PortagePlan,
): Promise<string[]> {
  const job = await heldJob(context.database, key);
  if (job.kind !== 'plan') {
    throw new AppError(
      'job-takes-no-plan',
      `The job ${job.name} is to build a package, not a plan.`,
    );
  }
  const request = await findRequestRow(context.database, job.request_id);
  let stale: string[] = [];
  if (plan.ok && request !== undefined) {
    await resolvePlan(context, request, plan);
    stale = await staleIn(context, request, plan);
  }
  await transact(context, `agent:${key.agent}`, async ({ queries, now }) => {
    await hear(queries, key, now);
    await setPlan(
      queries,
      job.request_id,
      JSON.stringify({ attempt: key.attempt, job: key.jobId, plan }),
    );
  });
  return stale;
}

/** The plan that this attempt has handed in. */
export function storedPlan(
  request: RequestRow,
  { jobId, attempt }: Pick<LeaseKey, 'jobId' | 'attempt'>,
): PortagePlan | undefined {
  if (request.plan_json === null) {
    return undefined;
  }
  const stored = storedPlanSchema.parse(JSON.parse(request.plan_json));
  const isOfJob = stored.job === undefined || stored.job === jobId;
  return isOfJob && stored.attempt === attempt ? stored.plan : undefined;
}

/** What stood in the way of the last plan of a request, once it has failed of that. */
export function problemsIn(request: RequestRow): readonly PlanProblem[] {
  if (request.state !== 'failed' || request.plan_json === null) {
    return [];
  }
  const { plan } = storedPlanSchema.parse(JSON.parse(request.plan_json));
  return plan.ok ? [] : plan.problems;
}

/** More would be read by nobody in one sentence; all of them are told with the request. */
const MOST_TOLD = 3;

function refusal(problems: readonly PlanProblem[]): AppError {
  const told = problems.slice(0, MOST_TOLD).map(problemText);
  const more = problems.length - told.length;
  const rest = more > 0 ? [`There are ${more} more problems.`] : [];
  return new AppError(
    'plan-refused',
    ['Portage found no way to build this.', ...told, ...rest].join(' '),
    { details: { problems } },
  );
}

/** Throws `plan-refused` with Portage's problems when it found no way, and what `planFromPortage` throws. */
export async function resolvePlan(
  context: BuildsContext,
  request: Pick<RequestRow, 'profile' | 'profile_json' | 'rebuild'>,
  plan: PortagePlan,
): Promise<BuildPlan> {
  if (!plan.ok) {
    throw refusal(plan.problems);
  }
  const known = new Map<string, Awaited<ReturnType<KnownBuilds['get']>> & object>();
  for (const cpv of cpvsToLookUp(plan)) {
    known.set(cpv, await context.repository.packagesByCpv(request.profile, cpv));
  }
  const { jobs, reused } = planFromPortage(plan, known);
  const profile = hardwareProfileSchema.parse(JSON.parse(request.profile_json));
  const inputs = portageInputs(plan, profile);
  const nodeOf = new Map(
    plan.packages.filter(({ type }) => type === 'ebuild').map((node) => [node.cpv, node]),
  );
  const placeOf = new Map(jobs.map(({ name }, place) => [name, place]));
  return {
    jobs: jobs.map((job) => {
      const node = nodeOf.get(job.name);
      return {
        ...job,
        inputs: inputs.get(job.name) ?? '',
        ...(node?.builtWith !== undefined && {
          ingredients: {
            ...ownIngredients(node, profile),
            isForced: request.rebuild === 1 && node.requested,
            with: node.builtWith.map(({ cpv, slot }) => ({
              cpv,
              slot,
              job: job.needs.find((need) => need === placeOf.get(cpv)) ?? null,
            })),
          },
        }),
      };
    }),
    reused,
  };
}

/** See `acceptPlan`. What is installed counts where the request is about it: asked for, or with `--deep`. */
async function staleIn(
  context: BuildsContext,
  request: RequestRow,
  plan: PortagePlan,
): Promise<string[]> {
  const { resolve } = toRequest(request);
  const taken: TakenPackage[] = [];
  for (const node of plan.packages) {
    const isAsked =
      node.type === 'binary' ||
      (node.type === 'installed' && (node.requested || resolve.includes('deep')));
    const builds = isAsked ? await context.repository.packagesByCpv(request.profile, node.cpv) : [];
    const build = builds.find((one) => isBuildOf(node, one));
    const said = build?.metadata[PROVENANCE_KEY];
    const ingredients = said === undefined ? undefined : readProvenance(said)?.ingredients;
    if (ingredients !== undefined) {
      taken.push({ node, ingredients });
    }
  }
  const profile = hardwareProfileSchema.parse(JSON.parse(request.profile_json));
  const builtWith = taken.flatMap(({ ingredients }) => ingredients.with);
  const { database } = context;
  const ofCpv = await newestContents(
    database,
    request.profile,
    plan.packages.map(({ cpv }) => cpv),
  );
  const ofSlot = await newestOfNames(
    database,
    request.profile,
    builtWith.map(({ cpv }) => packageNameOf(cpv)),
  );
  return stalePackages(plan, taken, {
    profile,
    known: {
      ofCpv: (cpv) => ofCpv.get(cpv)?.content,
      ofSlot: (slot) => ofSlot.get(slot)?.content,
    },
  });
}
