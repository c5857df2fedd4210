import type { Queries } from '../database/database.ts';
import type { JobRow } from '../database/tables.ts';
import { unlessDamaged } from '../repository/check/damage-record.ts';
import { contentsOf, newestContents } from '../repository/content-store.ts';
import { findPackageByInputs } from '../repository/package-store.ts';
import type { Ingredients } from '../repository/provenance.ts';
import type { Deed } from './builds-context.ts';
import { fullInputs } from './inputs-digest.ts';
import { type JobIngredients, jobIngredientsSchema } from './job.ts';
import { addPackages } from './request-packages.ts';
import { endAsUnchanged, packagesOfJobs, setFullInputs } from './unchanged-store.ts';

/**
 * Ends a job that is ready when the repository has a package that was made from the same and built with the same: so a
 * rebuild that changes nothing is followed by no others. Undefined when it has to be done.
 */
export async function endIfUnchanged(
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
