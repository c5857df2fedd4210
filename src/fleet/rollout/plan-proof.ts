import { isProofNeeded } from '../../gentoo/promotion-policy.ts';
import type { ProofContext } from '../../repository/proof/proof-context.ts';
import { requireProofOfSnapshot } from '../../repository/proof/require-proof.ts';
import { RESIGN_ORIGIN } from '../../repository/resign/resign-store.ts';
import { isAppError } from '../../support/errors.ts';
import type { Artefacts, PublicationRef } from '../plan/artefact.ts';
import type { EngineContext } from './rollout-context.ts';
import { originOf } from './sightings-store.ts';

/**
 * Whether what a plan brings was proven in preproduction, or let through with a reason. Null: of some of it nobody can tell, because
 * its channel asks for no proof, or because it is a PHP tree or a release.
 */
export async function isPlanProven(
  { isProven }: Pick<EngineContext, 'isProven'>,
  { publications, trees, release }: Artefacts,
): Promise<boolean | null> {
  const found: (boolean | null)[] = trees.length > 0 || release !== null ? [null] : [];
  for (const publication of publications) {
    found.push(await isProven(publication));
  }
  return found.includes(false) ? false : found.includes(null) ? null : true;
}

/**
 * How a publication came to its channel says it: promotions are proven or forced, what is gone back to was, and what is only signed
 * anew is what it was.
 */
export async function isPublicationProven(
  context: ProofContext,
  { profile: name, channel, serial }: PublicationRef,
): Promise<boolean | null> {
  const profile = context.profiles.list().find((one) => one.name === name);
  const origin = await originOf(context.database, { profile: name, channel, serial });
  if (profile === undefined || origin === undefined || !isProofNeeded(profile, channel)) {
    return null;
  }
  const isLetThrough = origin.kind !== 'publish' || origin.forced_json !== null;
  if (isLetThrough || origin.origin.startsWith(RESIGN_ORIGIN)) {
    return true;
  }
  const asked = { profile, channel, snapshotId: origin.snapshot_id, force: false, reason: '' };
  try {
    await requireProofOfSnapshot(context, asked);
    return true;
  } catch (error) {
    if (isAppError(error, 'promotion-not-proven')) {
      return false;
    }
    throw error;
  }
}
