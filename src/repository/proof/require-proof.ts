import type { HardwareProfile } from '../../gentoo/profile.ts';
import { isProofNeeded } from '../../gentoo/promotion-policy.ts';
import { AppError } from '../../support/errors.ts';
import type { ForcedPromotion } from '../publication.ts';
import { publicationsShowing } from '../publication-store.ts';
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
  const { profile, channel, origin, force } = promotion;
  requireReason(promotion);
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

/**
 * Holds a publication straight to a channel to the policy that promotions to it have: the contents have to be proven on
 * a channel before it. There is nothing to be proven on the first one. Returns as `requireProof` does.
 *
 * Throws `promotion-not-proven`, and `reason-required` when it is forced without a reason.
 */
export async function requireProofOfSnapshot(
  context: ProofContext,
  publication: {
    readonly profile: HardwareProfile;
    readonly channel: string;
    readonly snapshotId: string;
    readonly force: boolean;
    readonly reason: string;
  },
): Promise<ForcedPromotion | null> {
  const { profile, channel, snapshotId, force } = publication;
  requireReason(publication);
  if (!isProofNeeded(profile, channel)) {
    return null;
  }
  const earlier = profile.channels.slice(0, profile.channels.indexOf(channel));
  const shown = await publicationsShowing(context.database, profile.name, snapshotId);
  let missing: readonly string[] = [
    `No channel before ${channel} has ever shown these packages, so that no node can have proven them.`,
  ];
  for (const [place, origin] of shown.filter((one) => earlier.includes(one.channel)).entries()) {
    const judged = await judgePublication(context, profile, { to: channel, of: origin });
    if (judged.isProven) {
      return null;
    }
    missing = place === 0 ? judged.missing : missing;
  }
  if (force) {
    return { missing };
  }
  throw new AppError(
    'promotion-not-proven',
    `What was to be published on ${channel} of ${profile.name} is not proven. ${missing.join(' ')} Publish it on ${earlier[0]} and promote that, or force it, with a reason.`,
    { details: { profile: profile.name, channel, missing } },
  );
}

function requireReason({
  profile,
  channel,
  force,
  reason,
}: {
  readonly profile: HardwareProfile;
  readonly channel: string;
  readonly force: boolean;
  readonly reason: string;
}): void {
  if (force && reason.trim() === '') {
    throw new AppError(
      'reason-required',
      `Without its proof, something can only be forced on ${channel} of ${profile.name} with a reason: it stands in the journal for good.`,
      { details: { profile: profile.name, channel } },
    );
  }
}
