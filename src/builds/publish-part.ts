import type { RequestRow } from '../database/tables.ts';
import type { PartToPublish, Repository } from '../repository/repository.ts';
import { isAppError, isPassing } from '../support/errors.ts';
import { type BuildsContext, transact } from './builds-context.ts';
import { conclusionOf } from './conclusion.ts';
import { jobRowsOf } from './job-store.ts';
import { packageNameOf } from './place-jobs.ts';
import { noteLeftOut, packagesOfRequest } from './request-packages.ts';

/** How what comes of a request is to be published. */
export type RequestPublication = Omit<
  Parameters<Repository['publish']>[0],
  'packageIds' | 'expected'
> & { readonly requestId: string };

export interface PublishEnd {
  readonly state: 'done' | 'partial' | 'failed';
  readonly reason: string | null;
}

/** Others may publish on the channel while it is worked out what can be. */
const TRIES = 10;

/**
 * Publishes as much of a request as breaks nothing, and writes down why each of the others is left out. That stands in
 * the database before anything is published, so that it can be taken up after a stop.
 */
export async function publishPart(
  context: BuildsContext,
  row: RequestRow,
  publication: RequestPublication,
): Promise<PublishEnd> {
  for (let left = TRIES; ; left -= 1) {
    try {
      return await tryPart(context, row, publication);
    } catch (error) {
      if (!isAppError(error) || isPassing(error)) {
        throw error;
      }
      if (error.code !== 'channel-moved' || left === 0) {
        const built = (await failureOf(context, row)) ?? 'Everything was built.';
        const reason = `${built} A part of it could not be published on ${publication.channel}. ${error.message}`;
        return { state: 'failed', reason };
      }
    }
  }
}

async function tryPart(
  context: BuildsContext,
  row: RequestRow,
  publication: RequestPublication,
): Promise<PublishEnd> {
  const { repository } = context;
  if ((await repository.publicationOfRequest(publication)) === undefined) {
    const part = await chosenPart(context, row, publication);
    const { packageIds, serial: expected } = part;
    if (packageIds.length === 0) {
      return await nothingNew(context, row, part);
    }
    await repository.publish({ ...publication, packageIds, expected });
  }
  return await whatIsPublished(context, row, publication);
}

async function chosenPart(
  context: BuildsContext,
  row: RequestRow,
  { profile, channel }: RequestPublication,
): Promise<PartToPublish> {
  const packages = await packagesOfRequest(context.database, row.id);
  const part = await context.repository.partToPublish({
    profile,
    channel,
    packageIds: packages.map(({ id }) => id),
    ...(row.publish_not_over === null ? {} : { notOver: row.publish_not_over }),
  });
  const unbuilt = await unbuiltJobs(context, row);
  const reasons = part.leftOut.map(({ id, reason, lacks }): [string, string] => {
    const missing = unbuilt.filter(({ name }) => lacks.includes(packageNameOf(name)));
    const told = missing.map(({ name, state }) => ` ${name} was not built: it is ${state}.`);
    return [id, `${reason}${told.join('')}`];
  });
  await transact(context, 'server', async ({ queries }) => {
    await noteLeftOut(queries, row.id, new Map(reasons));
  });
  return part;
}

async function unbuiltJobs({ database }: BuildsContext, row: RequestRow) {
  const jobs = await jobRowsOf(database, row.id);
  return jobs.filter(({ kind, state }) => kind === 'package' && state !== 'succeeded');
}

/** Why not everything was built; null when it was. */
async function failureOf({ database }: BuildsContext, row: RequestRow): Promise<string | null> {
  const conclusion = await conclusionOf(database, { ...row, publish_channel: null });
  return 'reason' in conclusion ? conclusion.reason : null;
}

async function whatIsPublished(
  context: BuildsContext,
  row: RequestRow,
  { channel }: RequestPublication,
): Promise<PublishEnd> {
  const failure = await failureOf(context, row);
  const packages = await packagesOfRequest(context.database, row.id);
  const published = packages.filter(({ leftOut }) => leftOut === null).length;
  const leftOut = packages.length - published;
  if (failure === null && leftOut === 0) {
    return { state: 'done', reason: row.reason };
  }
  const built = failure ?? 'Everything was built.';
  const left = leftOut === 0 ? '' : `, ${leftOut} left out`;
  return {
    state: 'partial',
    reason: `${built} ${packagesAre(published)} published on ${channel}${left}.`,
  };
}

function packagesAre(count: number): string {
  return count === 1 ? '1 package is' : `${count} packages are`;
}

async function nothingNew(
  context: BuildsContext,
  row: RequestRow,
  { leftOut }: PartToPublish,
): Promise<PublishEnd> {
  const failure = await failureOf(context, row);
  const [first] = leftOut;
  if (failure === null && first === undefined) {
    return { state: 'done', reason: 'There was nothing to publish.' };
  }
  const reason = first === undefined ? '' : ` ${first.cpv} is left out, for one. ${first.reason}`;
  const built = failure ?? 'Everything was built.';
  return { state: 'failed', reason: `${built} Nothing new of it can be published.${reason}` };
}
