import type { JobRow } from '../database/tables.ts';
import { AppError } from '../support/errors.ts';
import type { PackageUpload } from './accept-package.ts';
import type { LeaseKey } from './builds.ts';
import { type BuildsContext, transact } from './builds-context.ts';
import { hear } from './fence.ts';
import { type JobSpec, jobSpecSchema } from './job.ts';
import { findRequestRow } from './request-store.ts';

type TreeSpec = NonNullable<Extract<JobSpec, { kind: 'source-package' }>['tree']>;

/** The PHP tree that a job is to become; undefined for all other jobs. */
export function treeOf(job: Pick<JobRow, 'spec_json'>): TreeSpec | undefined {
  const spec = jobSpecSchema.parse(JSON.parse(job.spec_json));
  return spec.kind === 'source-package' ? spec.tree : undefined;
}

/** See `Builds.acceptTree`. What the tree was built of is told by the request, and not by the agent. */
export async function acceptTree(
  context: BuildsContext,
  key: LeaseKey,
  { stream, ...expected }: PackageUpload,
): Promise<string> {
  const { repository, trees, database } = context;
  const actor = `agent:${key.agent}`;
  const job = await transact(
    context,
    actor,
    async ({ queries, now }) => await hear(queries, key, now),
  );
  const tree = treeOf(job);
  const request = await findRequestRow(database, job.request_id);
  if (tree === undefined || request === undefined) {
    throw new AppError('job-takes-no-tree', `The job ${job.name} is not to build a PHP tree.`);
  }
  const { id, channel, sources } = tree;
  const file = await repository.receiveUpload(stream, expected);
  try {
    const build = { kind: 'build' as const, sources, agent: key.agent };
    const { profile } = request;
    await trees.importTree({ profile, file, channel, actor, built: { id, build } });
  } finally {
    await repository.discardUpload(file);
  }
  return id;
}
