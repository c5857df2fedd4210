import type { KeyObject } from 'node:crypto';
import { enums, type Key, readKey, readKeys, type Subkey } from 'openpgp';
import { AppError, messageOf } from '../support/errors.ts';
import { publicKeyObject } from './key-material.ts';

/** One key or subkey that signatures may name. */
export interface VerificationKey {
  /** Uppercase hex. */
  readonly fingerprint: string;
  readonly algorithm: number;
  /** Undefined when the algorithm is not supported. */
  readonly key: KeyObject | undefined;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Milliseconds since the epoch, Infinity when it never expires: of the subkey or its primary, what ends first. */
  readonly expiresAt: number;
  /** Why the key may not sign whatever the date is: revoked, not bound to its primary, not made for signatures. */
  readonly refusal: string | undefined;
  /** That was only revoked as retired or superseded (RFC 4880 5.2.3.23): nobody else had it. */
  readonly isRetired: boolean;
}

const SOFT_CAUSES = [enums.reasonForRevocation.keyRetired, enums.reasonForRevocation.keySuperseded];

/** OpenPGP.js takes the latest binding made before a date; an extension of a subkey is such a binding. */
const AFTER_EVERY_BINDING = new Date(Date.UTC(9999, 0));

/** Every key and subkey in armored public keys. Throws `public-key-invalid`. */
export async function readVerificationKeys(
  armoredKeys: readonly string[],
): Promise<VerificationKey[]> {
  const certificates = (await Promise.all(armoredKeys.map(readCertificates))).flat();
  const keys = (await Promise.all(certificates.map(keysOf))).flat();
  const found = new Map<string, VerificationKey>();
  for (const key of keys) {
    const known = found.get(key.fingerprint);
    if (known === undefined || isNewer(key, known)) {
      found.set(key.fingerprint, key);
    }
  }
  return [...found.values()];
}

/** Uppercase hex fingerprints of the primary keys. Throws `public-key-invalid`. */
export async function primaryFingerprints(armored: string): Promise<string[]> {
  return (await readCertificates(armored)).map((key) => key.getFingerprint().toUpperCase());
}

/** Milliseconds since the epoch; Infinity when neither the key nor its primary expires. */
export async function expiryOf(certificate: Key, key: Key | Subkey): Promise<number> {
  const primary = await certificate.getExpirationTime();
  const own = key === certificate ? primary : await subkeyExpiry(key);
  return Math.min(milliseconds(primary), milliseconds(own));
}

async function readCertificates(armored: string): Promise<Key[]> {
  try {
    return await readKeys({ armoredKeys: armored });
  } catch (error) {
    throw new AppError(
      'public-key-invalid',
      `The public key cannot be read: ${messageOf(error)}.`,
      {
        cause: error,
      },
    );
  }
}

async function keysOf(certificate: Key): Promise<VerificationKey[]> {
  return await Promise.all(
    certificate.getKeys().map(async (key) => ({
      fingerprint: key.getFingerprint().toUpperCase(),
      algorithm: key.keyPacket.algorithm,
      key: publicKeyObject(key.keyPacket),
      createdAt: key.getCreationTime().getTime(),
      expiresAt: await expiryOf(certificate, key),
      refusal: await refusalOf(certificate, key),
      isRetired: await isOnlyRetired(certificate, key),
    })),
  );
}

/** Looks at bindings and revocations, not at dates. */
async function refusalOf(certificate: Key, key: Key | Subkey): Promise<string | undefined> {
  try {
    const signingKey = await certificate.getSigningKey(key.getKeyID(), null);
    return signingKey.getFingerprint() === key.getFingerprint() ? undefined : 'it may not sign';
  } catch (error) {
    return messageOf(error);
  }
}

async function isOnlyRetired(certificate: Key, key: Key | Subkey): Promise<boolean> {
  const revocations = [...certificate.revocationSignatures, ...key.revocationSignatures];
  const isSoft = revocations.every(({ reasonForRevocationFlag: cause }) =>
    SOFT_CAUSES.some((soft) => soft === cause),
  );
  if (revocations.length === 0 || !isSoft) {
    return false;
  }
  const copy = await readKey({ binaryKey: certificate.write() });
  copy.revocationSignatures = [];
  for (const subkey of copy.subkeys) {
    subkey.revocationSignatures = [];
  }
  const same = copy.getKeys().find((one) => one.getFingerprint() === key.getFingerprint());
  return same !== undefined && (await refusalOf(copy, same)) === undefined;
}

async function subkeyExpiry(key: Key | Subkey): Promise<Date | number | null> {
  return await key.getExpirationTime('mainKey' in key ? AFTER_EVERY_BINDING : undefined);
}

function milliseconds(time: Date | number | null): number {
  return time === null ? 0 : Number(time);
}

/** Of two copies of a key: one that was revoked, else the one that was extended. */
function isNewer(key: VerificationKey, known: VerificationKey): boolean {
  return (
    known.refusal === undefined && (key.refusal !== undefined || key.expiresAt > known.expiresAt)
  );
}
