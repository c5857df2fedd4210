import type { Queries } from '../database/database.ts';
import type { JobRow } from '../database/tables.ts';
import { unlessDamaged } from '../repository/check/damage-record.ts';
import { contentsOf, newestContents } from '../repository/content-store.ts';
import { findPackageByInputs } from '../repository/package-store.ts';
import type { Ingredients } from '../repository/provenance.ts';
import type { Deed } from './builds-context.ts';
import { fullInputs } from './inputs-digest.ts';
import { type JobIngredients, jobIngredientsSchema } from './job.ts';
import { readyDependants } from './job-store.ts';
import { addPackages } from './request-store.ts';
import { tellJobFinished } from './tell-jobs.ts';
import { endAsUnchanged, packagesOfJobs, setFullInputs } from './unchanged-store.ts';

/**
 * Of jobs that are ready, those that have to be done, and those that become ready in their place. A job ends here when
 * the repository has a package that was made from the same and built with the same: so a rebuild that changes nothing
 * is followed by no others.
 */
export async function withoutUnchanged(
  deed: Deed,
  profile: string,
  ready: readonly JobRow[],
): Promise<JobRow[]> {
  const left: JobRow[] = [];
  const open = [...ready];
  for (let job = open.shift(); job !== undefined; job = open.shift()) {
    const ended = await endIfUnchanged(deed, profile, job);
    if (ended === undefined) {
      left.push(job);
    } else {
      await tellJobFinished(deed, [ended]);
      open.push(...(await readyDependants(deed.queries, job.id)));
    }
  }
  return left;
}

async function endIfUnchanged(
  deed: Deed,
  profile: string,
  job: JobRow,
): Promise<JobRow | undefined> {
  const { queries, now } = deed;
  const made = ingredientsOf(job);
  if (made === undefined) {
    return undefined;
  }
  const inputs = fullInputs(made, await resolved(queries, profile, made));
  await setFullInputs(queries, job.id, inputs);
  const known = made.isForced
    ? undefined
    : await unlessDamaged(queries, await findPackageByInputs(queries, profile, inputs));
  if (known === undefined) {
    return undefined;
  }
  await addPackages(queries, job.request_id, [{ id: known.id, how: 'reused' }]);
  return await endAsUnchanged(queries, job.id, { packageId: known.id, now });
}

export function ingredientsOf(job: Pick<JobRow, 'ingredients_json'>): JobIngredients | undefined {
  return job.ingredients_json === null
    ? undefined
    : jobIngredientsSchema.parse(JSON.parse(job.ingredients_json));
}

/** What the package is built with, once all of that is there. */
export async function resolved(
  queries: Queries,
  profile: string,
  made: JobIngredients,
): Promise<Ingredients['with']> {
  const jobs = made.with.flatMap(({ job }) => job ?? []);
  const packageOf = await packagesOfJobs(queries, jobs);
  const built = await contentsOf(queries, [...packageOf.values()]);
  const others = made.with.filter(({ job }) => job === null).map(({ cpv }) => cpv);
  const known = await newestContents(queries, profile, others);
  return made.with.map(({ cpv, slot, job }) => {
    const found = job === null ? known.get(cpv) : built.get(packageOf.get(job) ?? '');
    return { cpv, slot, content: found?.content ?? `version:${cpv}` };
  });
}
