import type { HardwareProfile } from '../gentoo/profile.ts';
import { AppError } from '../support/errors.ts';
import { PACKAGES } from './layout.ts';
import type { PublicationRecord } from './publication.ts';

/** Throws `unknown-channel` unless the profile has this channel and it can be a name in the binhost folder. */
export function requireChannel(profile: HardwareProfile, channel: string): void {
  if (!profile.channels.includes(channel)) {
    throw new AppError(
      'unknown-channel',
      `The profile ${profile.name} has no channel ${channel}; it has ${profile.channels.join(', ')}.`,
      { details: { profile: profile.name, channel } },
    );
  }
  if (channel === PACKAGES) {
    throw new AppError(
      'unknown-channel',
      `A channel of ${profile.name} cannot be named ${PACKAGES}: that is where the package files are.`,
      { details: { profile: profile.name, channel } },
    );
  }
}

/** The channel that packages reach before this one, in the order of the profile; undefined for the first. */
export function channelBefore(profile: HardwareProfile, channel: string): string | undefined {
  const index = profile.channels.indexOf(channel);
  return index > 0 ? profile.channels[index - 1] : undefined;
}

/**
 * Throws `channel-moved` (details: profile, channel, expected, serial, author) unless the channel still shows the
 * publication that somebody had seen when they decided; 0 for none.
 */
export function requireUnmoved(
  key: { readonly profile: string; readonly channel: string },
  newest: PublicationRecord | undefined,
  expected: number | undefined,
): void {
  const serial = newest?.serial ?? 0;
  if (expected === undefined || expected === serial) {
    return;
  }
  const found =
    newest === undefined
      ? 'nothing was published on it yet'
      : `it shows ${serial}, published by ${newest.author}`;
  throw new AppError(
    'channel-moved',
    `The channel ${key.channel} of ${key.profile} does not show publication ${expected}: ${found}.`,
    { details: { ...key, expected, serial, author: newest?.author ?? null } },
  );
}
