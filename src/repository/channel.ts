import type { HardwareProfile } from '../gentoo/profile.ts';
import { AppError } from '../support/errors.ts';
import { PACKAGES } from './layout.ts';

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
