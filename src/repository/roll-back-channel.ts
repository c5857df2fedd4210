import { AppError } from '../support/errors.ts';
import { requireChannel, requireUnmoved } from './channel.ts';
import { requirePublication } from './promote-channel.ts';
import type { PublicationRecord } from './publication.ts';
import { publicationBefore } from './publication-history.ts';
import { type ChannelKey, historyOf, newestPublication } from './publication-store.ts';
import { tellRefusal } from './refusal.ts';
import { releaseSnapshot, withChannels } from './release-snapshot.ts';
import type { Repository } from './repository.ts';
import type { RepositoryContext } from './repository-context.ts';

export type RollbackRequest = Parameters<Repository['rollback']>[0];

/** See `Repository.rollback`. */
export async function rollBackChannel(
  context: RepositoryContext,
  request: RollbackRequest,
): Promise<PublicationRecord> {
  const profile = context.profiles.get(request.profile);
  requireChannel(profile, request.channel);
  const key = { profile: profile.name, channel: request.channel };
  return await withChannels(context, profile.name, async () => {
    requireUnmoved(key, await newestPublication(context.database, key), request.expected);
    const earlier =
      request.serial === undefined
        ? await publicationBeforeNow(context, key)
        : await requirePublication(context, key, request.serial);
    const { author, reason } = request;
    const data = { to: earlier.serial };
    return await tellRefusal(context, { ...key, act: 'rollback', author, reason, data }, async () =>
      releaseSnapshot(context, {
        profile,
        channel: request.channel,
        snapshotId: earlier.snapshotId,
        kind: 'rollback',
        author,
        reason,
        origin: { ...key, serial: earlier.serial },
        data,
      }),
    );
  });
}

async function publicationBeforeNow(
  context: RepositoryContext,
  key: ChannelKey,
): Promise<{ readonly serial: number; readonly snapshotId: string }> {
  const earlier = publicationBefore(await historyOf(context.database, key));
  if (earlier === undefined) {
    throw new AppError(
      'nothing-to-roll-back',
      `There is nothing else to go back to before what ${key.channel} of ${key.profile} shows now.`,
      { details: { ...key } },
    );
  }
  return earlier;
}
