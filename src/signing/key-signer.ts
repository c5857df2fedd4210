import type { KeyID, PrivateKey } from 'openpgp';
import { type Clock, epochSeconds } from '../support/clock.ts';
import { AppError, messageOf } from '../support/errors.ts';
import { clearSign } from './clear-sign.ts';
import { type DetachedSigningKey, signState } from './detached-signature.ts';
import { ed25519PrivateKey } from './key-material.ts';
import { expiryOf } from './public-keys.ts';
import type { Signer } from './signer.ts';

interface SigningKey {
  readonly certificate: PrivateKey;
  readonly detached: DetachedSigningKey;
  readonly keyId: KeyID;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Milliseconds since the epoch, Infinity when it does not expire. */
  readonly expiresAt: number;
}

/**
 * A signer with a key of this unlocked certificate: the one with `fingerprint`, or the newest that may sign. `path`
 * is for messages. An expired key gives a signer that refuses to sign. Throws `signing-key-damaged`.
 */
export async function signerOf(
  certificate: PrivateKey,
  options: { readonly path: string; readonly clock: Clock; readonly fingerprint?: string },
): Promise<Signer> {
  return freeze(await findKey(certificate, options), options.clock);
}

async function findKey(
  certificate: PrivateKey,
  { path, fingerprint }: { readonly path: string; readonly fingerprint?: string },
): Promise<SigningKey> {
  const key = await findSigningKey(certificate, path, fingerprint);
  const privateKey = ed25519PrivateKey(key.keyPacket);
  if (privateKey === undefined) {
    throw damaged(path, 'its signing key is not Ed25519 in the form that GnuPG 2.2 accepts');
  }
  return {
    certificate,
    detached: { privateKey, fingerprint: key.getFingerprint().toUpperCase() },
    keyId: key.getKeyID(),
    createdAt: key.getCreationTime().getTime(),
    expiresAt: await expiryOf(certificate, key),
  };
}

async function findSigningKey(
  certificate: PrivateKey,
  path: string,
  fingerprint: string | undefined,
): ReturnType<PrivateKey['getSigningKey']> {
  const named = certificate
    .getKeys()
    .find((key) => key.getFingerprint().toUpperCase() === fingerprint);
  if (fingerprint !== undefined && named === undefined) {
    throw damaged(path, `it does not hold the key ${fingerprint}`);
  }
  try {
    return await certificate.getSigningKey(named?.getKeyID(), null);
  } catch (error) {
    throw damaged(path, messageOf(error), error);
  }
}

function freeze(key: SigningKey, clock: Clock): Signer {
  const { certificate, detached, keyId } = key;
  /** Never before the key itself, or gpg takes the signature for a forgery. */
  const signingSecond = (): number => {
    if (clock.now() >= key.expiresAt) {
      throw expired(detached.fingerprint, key.expiresAt);
    }
    return Math.max(epochSeconds(clock), Math.ceil(key.createdAt / 1000));
  };
  return Object.freeze<Signer>({
    fingerprint: detached.fingerprint,
    primaryFingerprint: certificate.getFingerprint().toUpperCase(),
    publicKey: certificate.toPublic().armor().replaceAll('\r', ''),
    expiresAt: Number.isFinite(key.expiresAt) ? key.expiresAt : null,
    signState: (state) => signState(state, detached, signingSecond()),
    clearSign: async (text) =>
      await clearSign(text, { privateKey: certificate, keyId }, signingSecond()),
  });
}

export function damaged(path: string, reason: string, cause?: unknown): Error {
  return new AppError('signing-key-damaged', `The signing key ${path} cannot be used: ${reason}.`, {
    details: { path },
    cause,
  });
}

export function expired(fingerprint: string, expiresAt: number): Error {
  const when = new Date(expiresAt).toISOString();
  return new AppError(
    'signing-key-expired',
    `The signing key ${fingerprint} expired at ${when}; gpg refuses what it signs.`,
    { details: { fingerprint, expiredAt: when } },
  );
}
