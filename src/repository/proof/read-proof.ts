import type { HardwareProfile } from '../../gentoo/profile.ts';
import { type PromotionPolicy, promotionPolicy } from '../../gentoo/promotion-policy.ts';
import { channelBefore, requireChannel } from '../channel.ts';
import { newestPublication } from '../publication-store.ts';
import { type Judgement, judgeProof } from './judge-proof.ts';
import { listReports, proofsOf } from './node-store.ts';
import type { ProofContext } from './proof-context.ts';

/** What a promotion would take, what it needs, and what that lacks. */
export interface PromotionProof extends Judgement {
  readonly profile: string;
  readonly channel: string;
  /** The channel that is promoted from; null when there is none before. */
  readonly from: string | null;
  /** Its current publication; null when nothing was published there. */
  readonly serial: number | null;
  readonly policy: PromotionPolicy;
}

/** What a promotion of what the channel before shows now would need. Throws `unknown-profile`, `unknown-channel`. */
export async function readProof(
  context: ProofContext,
  { profile: name, channel }: { readonly profile: string; readonly channel: string },
): Promise<PromotionProof> {
  const profile = context.profiles.get(name);
  requireChannel(profile, channel);
  const from = channelBefore(profile, channel);
  const newest =
    from === undefined
      ? undefined
      : await newestPublication(context.database, { profile: name, channel: from });
  const base = { profile: name, channel, from: from ?? null, serial: newest?.serial ?? null };
  if (newest === undefined) {
    const missing =
      from === undefined
        ? `There is no channel before ${channel} in ${name} to promote from.`
        : `Nothing was published on ${from} of ${name} yet.`;
    const policy = promotionPolicy(profile, channel);
    return { ...base, policy, isProven: false, missing: [missing], nodes: [], provenAt: null };
  }
  return { ...base, ...(await judgePublication(context, profile, { to: channel, of: newest })) };
}

/** Judges a publication for a channel by what is known now. */
export async function judgePublication(
  context: ProofContext,
  profile: HardwareProfile,
  {
    to,
    of: { channel, serial },
  }: { readonly to: string; readonly of: { readonly channel: string; readonly serial: number } },
): Promise<Judgement & { readonly policy: PromotionPolicy }> {
  const policy = promotionPolicy(profile, to);
  const key = { profile: profile.name, channel };
  const [proofs, reports] = await Promise.all([
    proofsOf(context.database, { ...key, serial }),
    listReports(context.database, key),
  ]);
  const evidence = { channel, serial, proofs, reports };
  return { policy, ...judgeProof(policy, evidence, context.clock.now()) };
}
