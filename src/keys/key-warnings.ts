import type { KeyView } from '../signing/keyring/keyring.ts';
import type { KeyWarning } from './keys.ts';

const DAY_MS = 86_400_000;
/** Days before its end at which a key is in the journal, once each; 0 is the end itself. */
export const WARN_DAYS: readonly number[] = [60, 30, 7, 1, 0];
const FIRST_DAYS = 60;

/** Keys that end within sixty days, what ends first first. Revoked keys have ended already. */
export function keyWarnings(keys: readonly KeyView[], now: number): KeyWarning[] {
  return keys
    .flatMap((key) => {
      const { fingerprint, expiresAt, state } = key;
      if (expiresAt === null || state === 'revoked' || expiresAt - now > FIRST_DAYS * DAY_MS) {
        return [];
      }
      const daysLeft = Math.floor((expiresAt - now) / DAY_MS);
      return [{ fingerprint, expiresAt, daysLeft, message: sentence(key, expiresAt, now) }];
    })
    .toSorted((a, b) => a.expiresAt - b.expiresAt);
}

/** The lowest of `WARN_DAYS` that has been reached. */
export function thresholdOf(expiresAt: number, now: number): number | undefined {
  return WARN_DAYS.toReversed().find((days) => expiresAt - now <= days * DAY_MS);
}

function sentence({ fingerprint, state }: KeyView, expiresAt: number, now: number): string {
  const name = `The ${state === 'current' ? 'signing' : `${state} signing`} key ${fingerprint}`;
  const when = new Date(expiresAt).toISOString().slice(0, 10);
  return now >= expiresAt
    ? `${name} expired on ${when}: nodes refuse what it signed. Extend it (rookery key extend) and let nodes fetch the public key.`
    : `${name} expires on ${when}: extend it (rookery key extend) or rotate (rookery key rotate), and let nodes fetch the public key before.`;
}
