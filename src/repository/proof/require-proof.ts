import type { HardwareProfile } from '../../gentoo/profile.ts';
import { AppError } from '../../support/errors.ts';
import type { ForcedPromotion } from '../publication.ts';
import type { ProofContext } from './proof-context.ts';
import { judgePublication } from './read-proof.ts';

/**
 * Holds a promotion to the policy of its channel. Returns what is missing when it is forced all the same, and null
 * when nothing is.
 *
 * Throws `promotion-not-proven`, and `reason-required` when it is forced without one.
 */
export async function requireProof(
  context: ProofContext,
  promotion: {
    readonly profile: HardwareProfile;
    readonly channel: string;
    readonly origin: { readonly channel: string; readonly serial: number };
    readonly force: boolean;
    readonly reason: string;
  },
): Promise<ForcedPromotion | null> {
  const { profile, channel, origin, force, reason } = promotion;
  if (force && reason.trim() === '') {
    throw new AppError(
      'reason-required',
      `A promotion to ${channel} of ${profile.name} can only be forced with a reason: it stands in the journal for good.`,
      { details: { profile: profile.name, channel } },
    );
  }
  const { policy, isProven, missing, nodes } = await judgePublication(context, profile, {
    to: channel,
    of: origin,
  });
  if (isProven) {
    return null;
  }
  if (force) {
    return { missing };
  }
  throw new AppError(
    'promotion-not-proven',
    `Publication ${origin.serial} of ${origin.channel} is not proven for ${channel} of ${profile.name}: ${missing.join(' ')} It can be forced, with a reason.`,
    {
      details: {
        profile: profile.name,
        channel,
        from: origin.channel,
        serial: origin.serial,
        policy,
        nodes,
        missing,
      },
    },
  );
}
