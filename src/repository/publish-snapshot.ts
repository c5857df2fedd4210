import type { Queries } from '../database/database.ts';
import { AppError } from '../support/errors.ts';
import type { BlockList } from './blocks/block.ts';
import { replaceSlots } from './blocks/make-contents.ts';
import { requireChannel, requireUnmoved } from './channel.ts';
import { ensureNewest, newestSince, saveView } from './newest/newest-store.ts';
import type { PackageChoice } from './package-choice.ts';
import { choicesOf } from './package-store.ts';
import { requireProofOfSnapshot } from './proof/require-proof.ts';
import type { PublicationRecord } from './publication.ts';
import { newestPublication, publicationOfRequest } from './publication-store.ts';
import { tellRefusal } from './refusal.ts';
import { type Release, releaseSnapshot, showNewest, withChannels } from './release-snapshot.ts';
import type { Repository } from './repository.ts';
import type { RepositoryContext } from './repository-context.ts';
import { ensureSnapshot, snapshotIdOf } from './snapshot-store.ts';
import { unchangedSince } from './unchanged-packages.ts';

export type PublishRequest = Parameters<Repository['publish']>[0];

/** See `Repository.publish`. */
export async function publishSnapshot(
  context: RepositoryContext,
  request: PublishRequest & Pick<Release, 'sameImagesAs'>,
): Promise<PublicationRecord> {
  const profile = context.profiles.get(request.profile);
  requireChannel(profile, request.channel);
  return await withChannels(context, profile.name, async () => {
    const made = await alreadyMade(context, request);
    if (made !== undefined) {
      return made;
    }
    const key = { profile: profile.name, channel: request.channel };
    requireUnmoved(key, await newestPublication(context.database, key), request.expected);
    const snapshotId = await makeSnapshot(context, request);
    const { author, reason, requestId, sameImagesAs } = request;
    const data = requestId === undefined ? {} : { request: requestId };
    return await tellRefusal(context, { ...key, act: 'publish', author, reason, data }, async () =>
      releaseSnapshot(context, {
        profile,
        channel: request.channel,
        snapshotId,
        kind: 'publish',
        // The same images signed again are proven as they were.
        forced:
          sameImagesAs === undefined
            ? await requireProofOfSnapshot(context, {
                profile,
                channel: request.channel,
                snapshotId,
                force: request.force ?? false,
                reason,
              })
            : null,
        author,
        reason,
        allow: request.allow,
        sameImagesAs,
        data,
        ...(requestId === undefined ? {} : { requestId }),
      }),
    );
  });
}

async function alreadyMade(
  context: RepositoryContext,
  { profile, channel, requestId }: PublishRequest,
): Promise<PublicationRecord | undefined> {
  if (requestId === undefined) {
    return undefined;
  }
  const key = { profile, channel };
  const made = await publicationOfRequest(context.database, { ...key, requestId });
  const newest = await newestPublication(context.database, key);
  if (made !== undefined && newest !== undefined) {
    await showNewest(context, newest);
  }
  return made;
}

/** The snapshot that a publication of this would show. */
export async function makeSnapshot(
  context: RepositoryContext,
  request: PublishRequest & Pick<Release, 'sameImagesAs'>,
): Promise<string> {
  const { database } = context;
  const { profile, channel, packageIds } = request;
  if (packageIds === undefined) {
    return await makeNewest(context, request);
  }
  const named = await requirePackages(database, profile, packageIds);
  const present = await newestPublication(database, { profile, channel });
  const added = await changedAmong(context, request, { named, present });
  const contents = await replaceSlots(database, present?.snapshotId, added);
  return await database
    .transaction()
    .execute(async (queries) => await save(queries, context, request, contents));
}

/**
 * What a build request has made otherwise than the channel shows it. The others stay as they are there, so that no node
 * fetches again what it has: docs/decisions/0029.
 */
async function changedAmong(
  { database }: RepositoryContext,
  { requestId, sameImagesAs }: PublishRequest & Pick<Release, 'sameImagesAs'>,
  of: {
    readonly named: readonly PackageChoice[];
    readonly present: PublicationRecord | undefined;
  },
): Promise<readonly PackageChoice[]> {
  const { named, present } = of;
  if (requestId === undefined || sameImagesAs !== undefined || present === undefined) {
    return named;
  }
  const ids = named.map(({ id }) => id);
  const unchanged = await unchangedSince(database, present.snapshotId, ids);
  const staying = new Set(unchanged.map(({ id }) => id));
  return named.filter(({ id }) => !staying.has(id));
}

/** Of each category/pn:slot the newest version: what was so the last time, and what has become so since. */
async function makeNewest(context: RepositoryContext, request: PublishRequest): Promise<string> {
  const { database } = context;
  const { profile } = request;
  const view = await database
    .transaction()
    .execute(async (queries) => await ensureNewest(queries, profile));
  const added = await newestSince(database, profile, view.revision);
  const contents = await replaceSlots(database, view.snapshotId, added);
  const revision = added.reduce((most, one) => Math.max(most, one.revision), view.revision);
  return await database.transaction().execute(async (queries) => {
    const snapshotId = await save(queries, context, request, contents);
    await saveView(queries, profile, { snapshotId, revision });
    return snapshotId;
  });
}

async function save(
  queries: Queries,
  { clock }: RepositoryContext,
  { profile, author, reason, requestId }: PublishRequest,
  contents: BlockList,
): Promise<string> {
  const id = snapshotIdOf(profile, contents.blocks);
  const origin = requestId === undefined ? 'publish' : `request:${requestId}`;
  const packageCount = contents.blocks.reduce((sum, block) => sum + block.packageCount, 0);
  await ensureSnapshot(
    queries,
    { id, profile, createdAt: clock.now(), author, reason, origin, packageCount },
    contents,
  );
  return id;
}

/** The packages with these ids. Throws `unknown-package` for an id that the profile does not have. */
export async function requirePackages(
  queries: Queries,
  profile: string,
  packageIds: readonly string[],
): Promise<PackageChoice[]> {
  const ids = [...new Set(packageIds)];
  const found = await choicesOf(queries, profile, ids);
  if (found.length < ids.length) {
    const known = new Set(found.map(({ id }) => id));
    const missing = ids.filter((id) => !known.has(id));
    throw new AppError(
      'unknown-package',
      `The profile ${profile} has no package ${missing.join(', ')}.`,
      { details: { profile, packageIds: missing } },
    );
  }
  return found;
}
