import { AppError } from '../support/errors.ts';
import { channelBefore, requireChannel, requireUnmoved } from './channel.ts';
import { requireProof } from './proof/require-proof.ts';
import type { PublicationRecord } from './publication.ts';
import { type ChannelKey, findPublication, newestPublication } from './publication-store.ts';
import { tellRefusal } from './refusal.ts';
import { releaseSnapshot, withChannels } from './release-snapshot.ts';
import type { Repository } from './repository.ts';
import type { RepositoryContext } from './repository-context.ts';
import { publicationCollectedAt } from './retention/retention-store.ts';

export type PromoteRequest = Parameters<Repository['promote']>[0];

/** See `Repository.promote`. */
export async function promoteChannel(
  context: RepositoryContext,
  request: PromoteRequest,
): Promise<PublicationRecord> {
  const profile = context.profiles.get(request.profile);
  requireChannel(profile, request.channel);
  const from = request.from ?? channelBefore(profile, request.channel);
  if (from === undefined || from === request.channel) {
    throw new AppError(
      'nothing-to-promote',
      `There is no channel before ${request.channel} in ${profile.name} to promote from.`,
      { details: { profile: profile.name, channel: request.channel } },
    );
  }
  requireChannel(profile, from);
  const key = { profile: profile.name, channel: request.channel };
  return await withChannels(context, profile.name, async () => {
    const newest = await newestPublication(context.database, key);
    requireUnmoved(key, newest, request.expected);
    const origin = await shownAs(context, { profile: profile.name, channel: from }, request.serial);
    requireOther(newest, origin);
    const { author, reason } = request;
    const data = { from: { channel: from, serial: origin.serial } };
    return await tellRefusal(context, { ...key, act: 'promote', author, reason, data }, async () =>
      releaseSnapshot(context, {
        profile,
        channel: request.channel,
        snapshotId: origin.snapshotId,
        kind: 'promote',
        forced: await requireProof(context, {
          profile,
          channel: request.channel,
          origin,
          force: request.force ?? false,
          reason,
        }),
        author,
        reason,
        allow: request.allow,
        origin,
        data,
      }),
    );
  });
}

/** Of two who promote the same at once, the second is told that it is done. */
function requireOther(newest: PublicationRecord | undefined, origin: PublicationRecord): void {
  if (newest?.snapshotId === origin.snapshotId) {
    const { profile, channel, serial, author } = newest;
    throw new AppError(
      'nothing-to-promote',
      `The channel ${channel} of ${profile} shows what ${origin.channel} ${origin.serial} holds already: publication ${serial}, published by ${author}.`,
      { details: { profile, channel, serial, author } },
    );
  }
}

async function shownAs(
  context: RepositoryContext,
  key: ChannelKey,
  serial: number | undefined,
): Promise<PublicationRecord> {
  if (serial !== undefined) {
    return await requirePublication(context, key, serial);
  }
  const newest = await newestPublication(context.database, key);
  if (newest === undefined) {
    throw new AppError(
      'nothing-to-promote',
      `Nothing was published on ${key.channel} of ${key.profile} yet.`,
      { details: { ...key } },
    );
  }
  return newest;
}

/** Throws `unknown-publication`, `publication-collected`. */
export async function requirePublication(
  context: Pick<RepositoryContext, 'database'>,
  key: ChannelKey,
  serial: number,
): Promise<PublicationRecord> {
  const found = await findPublication(context.database, { ...key, serial });
  if (found === undefined) {
    const collectedAt = await publicationCollectedAt(context.database, { ...key, serial });
    if (collectedAt !== undefined) {
      throw new AppError(
        'publication-collected',
        `The publication ${serial} on ${key.channel} of ${key.profile} was collected at ${new Date(collectedAt).toISOString()}.`,
        { details: { ...key, serial, collectedAt } },
      );
    }
    throw new AppError(
      'unknown-publication',
      `There is no publication ${serial} on ${key.channel} of ${key.profile}.`,
      { details: { ...key, serial } },
    );
  }
  return found;
}
