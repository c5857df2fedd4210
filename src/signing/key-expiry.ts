import type { Clock } from '../support/clock.ts';
import type { Log } from '../support/log.ts';
import type { Signer } from './signer.ts';

const DAY_MS = 86_400_000;
const WARN_BEFORE_MS = 30 * DAY_MS;

type EndingKey = Pick<Signer, 'primaryFingerprint' | 'expiresAt'>;

/** Says so when the key ends within 30 days (`warn`), or has ended (`error`: nothing can be signed). */
export function reportExpiry(key: EndingKey, clock: Clock, log: Log | undefined): void {
  const expired = expiryFault(key, clock);
  if (expired !== undefined) {
    log?.error({ fingerprint: key.primaryFingerprint }, 'the signing key has expired');
  } else if (key.expiresAt !== null && key.expiresAt - clock.now() < WARN_BEFORE_MS) {
    const daysLeft = Math.floor((key.expiresAt - clock.now()) / DAY_MS);
    log?.warn(
      { fingerprint: key.primaryFingerprint, daysLeft },
      'the signing key expires soon; extend it and bring the new public key to the nodes',
    );
  }
}

/** Why the key cannot sign any more, as a sentence; undefined while it can. */
export function expiryFault(
  { primaryFingerprint, expiresAt }: EndingKey,
  clock: Clock,
): string | undefined {
  return expiresAt !== null && clock.now() >= expiresAt
    ? `The signing key ${primaryFingerprint} expired at ${new Date(expiresAt).toISOString()}; gpg refuses what it signs.`
    : undefined;
}
