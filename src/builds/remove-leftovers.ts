import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { namesIn } from '../support/files.ts';
import type { Leftovers } from './builds.ts';
import type { BuildsContext } from './builds-context.ts';
import { jobSpecSchema } from './job.ts';
import { jobsOfRequestsEndedBefore, leasedJobs, specsOfOpenRequests } from './leftover-store.ts';
import { stagingOf } from './staging.ts';

/** See `Builds.removeLeftovers`. */
export async function removeLeftovers(
  context: BuildsContext,
  ages: { readonly sourcesMs: number; readonly logsMs: number },
): Promise<Leftovers> {
  return {
    stagingTrees: await removeStagingTrees(context),
    sources: await removeSources(context, ages.sourcesMs),
    logs: await removeLogs(context, ages.logsMs),
  };
}

/** The trees are listed first: a job is held before its tree is made, so whatever is listed and needed is found held. */
async function removeStagingTrees({ database, repository }: BuildsContext): Promise<number> {
  const names = await repository.staged();
  const needed = new Set((await leasedJobs(database)).map(stagingOf));
  const removable = names.filter((name) => !needed.has(name));
  for (const name of removable) {
    await repository.unstage(name);
  }
  return removable.length;
}

/** A source is packed just before its request is written down: that is what the age is for. */
async function removeSources(context: BuildsContext, olderThanMs: number): Promise<number> {
  const folder = join(context.folders.state, 'sources');
  const oldest = context.clock.now() - olderThanMs;
  const old: string[] = [];
  for (const name of await namesIn(folder)) {
    if ((await stat(join(folder, name))).mtimeMs < oldest) {
      old.push(name);
    }
  }
  const needed = new Set(
    (await specsOfOpenRequests(context.database)).map((text) => {
      const spec = jobSpecSchema.parse(JSON.parse(text));
      return spec.kind === 'source-package' ? spec.sourceSha512 : null;
    }),
  );
  const removable = old.filter((name) => !needed.has(name));
  for (const name of removable) {
    await rm(join(folder, name), { force: true });
  }
  return removable.length;
}

async function removeLogs(context: BuildsContext, olderThanMs: number): Promise<number> {
  const { database, clock, logs } = context;
  const kept = await logs.jobIds();
  const ended = new Set(await jobsOfRequestsEndedBefore(database, clock.now() - olderThanMs));
  const removable = kept.filter((jobId) => ended.has(jobId));
  for (const jobId of removable) {
    await logs.remove(jobId);
  }
  return removable.length;
}
