import { AppError } from '../../support/errors.ts';
import { requirePublication } from '../promote-channel.ts';
import { withChannels } from '../release-snapshot.ts';
import type { Deed } from '../repository.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { deletePin, type Pin, type PublicationKey, savePin } from './retention-store.ts';

/** See `Retention.pin`. */
export async function pinPublication(
  context: RepositoryContext,
  key: PublicationKey,
  { author, reason }: Deed,
): Promise<Pin> {
  const { profile, channel, serial } = key;
  if (reason.trim() === '') {
    throw new AppError('reason-required', 'A pin needs a reason: it is what holds the bytes.');
  }
  return await withChannels(context, profile, async () => {
    await requirePublication(context, { profile, channel }, serial);
    const pin = { profile, channel, serial, author, reason, createdAt: context.clock.now() };
    const event = await context.database.transaction().execute(async (queries) => {
      await savePin(queries, pin);
      return await context.journal.write(queries, {
        kind: 'pinned',
        subject: `channel:${profile}/${channel}`,
        actor: author,
        data: { serial, reason },
      });
    });
    context.journal.announce(event);
    return pin;
  });
}

/** See `Retention.unpin`. */
export async function unpinPublication(
  context: RepositoryContext,
  key: PublicationKey,
  { author, reason }: Deed,
): Promise<void> {
  const { profile, channel, serial } = key;
  await withChannels(context, profile, async () => {
    const event = await context.database.transaction().execute(async (queries) => {
      if (!(await deletePin(queries, key))) {
        throw new AppError(
          'not-pinned',
          `The publication ${serial} on ${channel} of ${profile} is not pinned.`,
          { details: { ...key } },
        );
      }
      return await context.journal.write(queries, {
        kind: 'unpinned',
        subject: `channel:${profile}/${channel}`,
        actor: author,
        data: { serial, reason },
      });
    });
    context.journal.announce(event);
  });
}
