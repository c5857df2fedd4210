import type { Readable } from 'node:stream';
import type { JobRow } from '../database/tables.ts';
import type { PackageRecord } from '../repository/package-record.ts';
import type { Ingredients } from '../repository/provenance.ts';
import { AppError } from '../support/errors.ts';
import { treeOf } from './accept-tree.ts';
import type { LeaseKey } from './builds.ts';
import { type BuildsContext, transact } from './builds-context.ts';
import { hear, heldJob, staleAttempt } from './fence.ts';
import { type JobSpec, jobSpecSchema, type PlanSpec } from './job.ts';
import { findJobRow, updateLeasedJob } from './job-store.ts';
import { findRequestRow } from './request-store.ts';
import { ingredientsOf, resolved } from './unchanged-jobs.ts';

export interface PackageUpload {
  readonly stream: Readable;
  readonly sha512: string;
  readonly size?: number;
}

/**
 * Imports what a job has built and notes it as the job's package. The same upload again is answered with the same
 * package, also after the attempt has succeeded.
 *
 * Throws `stale-attempt`, `job-takes-no-package`, `package-unexpected`, and what the repository throws.
 */
export async function acceptPackage(
  context: BuildsContext,
  key: LeaseKey,
  upload: PackageUpload,
): Promise<PackageRecord> {
  const before = await repeated(context, key, upload);
  if (before !== undefined) {
    return before;
  }
  const job = await transact(
    context,
    `agent:${key.agent}`,
    async ({ queries, now }) => await hear(queries, key, now),
  );
  const record = await imported(context, job, upload);
  if (!(await updateLeasedJob(context.database, key, { package_id: record.id }))) {
    throw staleAttempt(key);
  }
  return record;
}

/** The package, when this attempt has sent it before and has ended well since. */
async function repeated(
  context: BuildsContext,
  key: LeaseKey,
  upload: PackageUpload,
): Promise<PackageRecord | undefined> {
  const job = await findJobRow(context.database, key.jobId);
  const isOfThisAttempt = job?.attempt === key.attempt && job.agent === key.agent;
  if (!isOfThisAttempt || job.state !== 'succeeded' || job.package_id === null) {
    await heldJob(context.database, key);
    return undefined;
  }
  const record = await context.repository.findPackage(job.package_id);
  if (record?.uploadSha512 !== upload.sha512) {
    throw staleAttempt(key);
  }
  upload.stream.resume();
  return record;
}

async function imported(
  context: BuildsContext,
  job: JobRow,
  upload: PackageUpload,
): Promise<PackageRecord> {
  const { repository } = context;
  const spec = packageSpecOf(job);
  const request = await findRequestRow(context.database, job.request_id);
  const profile = request?.profile ?? '';
  const known = await repository.findPackageByUpload(profile, upload.sha512);
  if (known?.cpv === job.name) {
    upload.stream.resume();
    return known;
  }
  const built = spec.kind === 'portage-package' ? await madeOf(context, profile, job) : undefined;
  const inputs = spec.kind === 'source-package' ? spec.inputs : built?.inputs;
  const { stream, ...expected } = upload;
  const file = await repository.receiveUpload(stream, expected);
  const { package: record } = await repository.importPackage({
    profile,
    file,
    uploadSha512: upload.sha512,
    expectedCpv: job.name,
    origin: `job:${job.id}`,
    actor: `agent:${job.agent}`,
    provenance: {
      ...(built === undefined ? {} : { ingredients: built.ingredients }),
      request: job.request_id,
      job: job.id,
      attempt: job.attempt,
      agent: job.agent,
      executor: job.executor,
      ...(spec.kind === 'source-package' ? { inputs: spec.inputs } : {}),
    },
    ...(inputs === undefined ? {} : { inputs }),
  });
  return record;
}

/** Throws `job-takes-no-package`. */
function packageSpecOf(job: JobRow): Exclude<JobSpec, PlanSpec> {
  const spec = jobSpecSchema.parse(JSON.parse(job.spec_json));
  if (spec.kind === 'plan' || treeOf(job) !== undefined) {
    const made = spec.kind === 'plan' ? 'plan' : 'PHP tree';
    throw new AppError(
      'job-takes-no-package',
      `The job ${job.id} is to make a ${made}, not a package.`,
    );
  }
  return spec;
}

/** What the package was made from and built with; undefined for jobs of an older version. */
async function madeOf(
  { database }: BuildsContext,
  profile: string,
  job: JobRow,
): Promise<{ readonly inputs: string; readonly ingredients: Ingredients } | undefined> {
  const made = ingredientsOf(job);
  if (made === undefined || job.full_inputs === null) {
    return undefined;
  }
  const { source, settings } = made;
  const builtWith = await resolved(database, profile, made);
  return { inputs: job.full_inputs, ingredients: { source, settings, with: builtWith } };
}
