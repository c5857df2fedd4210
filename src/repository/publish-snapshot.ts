import { AppError } from '../support/errors.ts';
import { requireChannel } from './channel.ts';
import { choicesOf, newestChoices, type PackageChoice } from './package-store.ts';
import type { PublicationRecord } from './publication.ts';
import { newestPublication, publicationOfRequest } from './publication-store.ts';
import { releaseSnapshot, showNewest, withChannels } from './release-snapshot.ts';
import type { Repository } from './repository.ts';
import type { RepositoryContext } from './repository-context.ts';
import { newestOfEachSlot, replaceSlots } from './snapshot-contents.ts';
import { choicesOfSnapshot, ensureSnapshot, snapshotIdOf } from './snapshot-store.ts';

export type PublishRequest = Parameters<Repository['publish']>[0];

/** See `Repository.publish`. */
export async function publishSnapshot(
  context: RepositoryContext,
  request: PublishRequest,
): Promise<PublicationRecord> {
  const profile = context.profiles.get(request.profile);
  requireChannel(profile, request.channel);
  return await withChannels(context, profile.name, async () => {
    const made = await alreadyMade(context, request);
    if (made !== undefined) {
      return made;
    }
    const snapshotId = await makeSnapshot(context, request);
    return await releaseSnapshot(context, {
      profile,
      channel: request.channel,
      snapshotId,
      kind: 'publish',
      author: request.author,
      reason: request.reason,
      allow: request.allow,
      ...(request.requestId === undefined
        ? {}
        : { requestId: request.requestId, data: { request: request.requestId } }),
    });
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
  request: PublishRequest,
): Promise<string> {
  const ids = (await contentsOf(context, request)).map(({ id }) => id);
  const id = snapshotIdOf(request.profile, ids);
  await context.database.transaction().execute(async (queries) => {
    await ensureSnapshot(
      queries,
      {
        id,
        profile: request.profile,
        createdAt: context.clock.now(),
        author: request.author,
        reason: request.reason,
        origin: request.requestId === undefined ? 'publish' : `request:${request.requestId}`,
        packageCount: ids.length,
      },
      ids,
    );
  });
  return id;
}

async function contentsOf(
  context: RepositoryContext,
  { profile, channel, packageIds }: PublishRequest,
): Promise<PackageChoice[]> {
  if (packageIds === undefined) {
    return newestOfEachSlot(await newestChoices(context.database, profile));
  }
  const added = await requirePackages(context, profile, packageIds);
  const present = await newestPublication(context.database, { profile, channel });
  return present === undefined
    ? added
    : replaceSlots(await choicesOfSnapshot(context.database, present.snapshotId), added);
}

/** The packages with these ids. Throws `unknown-package` for an id that the profile does not have. */
export async function requirePackages(
  context: RepositoryContext,
  profile: string,
  packageIds: readonly string[],
): Promise<PackageChoice[]> {
  const ids = [...new Set(packageIds)];
  const found = await choicesOf(context.database, profile, ids);
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
