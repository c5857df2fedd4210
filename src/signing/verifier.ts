import { constants, createHash, type Hash, publicDecrypt, verify } from 'node:crypto';
import { type Clock, systemClock } from '../support/clock.ts';
import type { DigestName } from '../support/digests.ts';
import { AppError, isAppError } from '../support/errors.ts';
import { dearmorSignature } from './armor.ts';
import { parseClearSigned } from './clear-signed-text.ts';
import { readVerificationKeys, type VerificationKey } from './public-keys.ts';
import {
  ALGORITHM,
  HASH,
  parseSignaturePackets,
  SIGNATURE_TYPE,
  type SignaturePacket,
  trailerOf,
} from './signature-packet.ts';
import type { Verifier } from './signer.ts';

/** DER of DigestInfo before the digest (RFC 8017 9.2). */
const DIGEST_INFO: Readonly<Record<number, string>> = {
  [HASH.sha256]: '3031300d060960864801650304020105000420',
  [HASH.sha384]: '3041300d060960864801650304020205000430',
  [HASH.sha512]: '3051300d060960864801650304020305000440',
};
const HASH_NAMES: Readonly<Record<number, DigestName>> = {
  [HASH.sha256]: 'sha256',
  [HASH.sha384]: 'sha384',
  [HASH.sha512]: 'sha512',
};
const ED25519_NUMBER = 32;

/**
 * A verifier that trusts the keys in these armored texts and no others, now and for as long as each of them is
 * valid. Ed25519 (the form of GnuPG 2.2) and RSA keys are supported. With `acceptRetired` also those that were revoked
 * as retired or superseded, which gpg refuses. Throws `public-key-invalid`.
 */
export async function createVerifier(
  armoredPublicKeys: readonly string[],
  options: { readonly clock?: Clock; readonly acceptRetired?: boolean } = {},
): Promise<Verifier> {
  const known = await readVerificationKeys(armoredPublicKeys);
  const keys = options.acceptRetired === true ? known.map(withoutRetirement) : known;
  const clock = options.clock ?? systemClock;
  return {
    furtherDigests,
    verifyState: async (state, armored, further = new Map()) => {
      const states = new Map([...further, ['sha512', state] as const]);
      return checkAll(dearmorSignature(armored), (signature) => {
        const seen = states.get(HASH_NAMES[signature.hash] ?? 'md5');
        expectForm(signature, SIGNATURE_TYPE.binary, seen === undefined ? [] : [signature.hash]);
        const key = findKey(keys, signature, clock.now());
        return checkSignature(signature, (seen ?? state).copy(), key);
      });
    },
    verifyClearSigned: async (text) => {
      const message = parseClearSigned(text);
      const fingerprint = checkAll(dearmorSignature(message.signature), (signature) => {
        expectForm(signature, SIGNATURE_TYPE.text, Object.values(HASH));
        const state = createHash(HASH_NAMES[signature.hash] ?? '').update(message.hashedText);
        return checkSignature(signature, state, findKey(keys, signature, clock.now()));
      });
      return { text: message.text, fingerprint };
    },
  };
}

function withoutRetirement(key: VerificationKey): VerificationKey {
  return key.isRetired ? { ...key, refusal: undefined } : key;
}

function furtherDigests(armored: string): DigestName[] {
  try {
    const hashes = parseSignaturePackets(dearmorSignature(armored)).map(({ hash }) => hash);
    const names = hashes.map((hash) => HASH_NAMES[hash]).filter((name) => name !== undefined);
    return [...new Set(names)].filter((name) => name !== 'sha512');
  } catch (error) {
    if (isAppError(error, 'signature-invalid')) {
      return [];
    }
    throw error;
  }
}

/** The fingerprint of the first signature, once every one was found good. */
function checkAll(packets: Buffer, check: (signature: SignaturePacket) => string): string {
  const [first] = parseSignaturePackets(packets).map(check);
  if (first === undefined) {
    throw invalid('there is none');
  }
  return first;
}

function expectForm(signature: SignaturePacket, type: number, hashes: readonly number[]): void {
  if (signature.type !== type) {
    throw invalid(`it is of type ${signature.type}, and ${type} was expected`);
  }
  if (!hashes.includes(signature.hash)) {
    throw invalid(`it was made with digest algorithm ${signature.hash}, which is not accepted`);
  }
}

function findKey(
  keys: readonly VerificationKey[],
  signature: SignaturePacket,
  now: number,
): VerificationKey {
  const issuer = signature.issuerFingerprint ?? signature.issuerKeyId;
  const key = keys.find(({ fingerprint }) => issuer !== undefined && isIssuer(fingerprint, issuer));
  if (key === undefined) {
    throw new AppError(
      'signature-unknown-key',
      `The signature was made by the key ${issuer ?? '(not named)'}, which is not trusted here.`,
      { details: { issuer } },
    );
  }
  if (key.refusal !== undefined) {
    throw invalid(`the key ${key.fingerprint} cannot be used: ${key.refusal}`);
  }
  if (now >= key.expiresAt) {
    const when = new Date(key.expiresAt).toISOString();
    throw new AppError(
      'signature-expired-key',
      `The signature was made by the key ${key.fingerprint}, which expired at ${when}.`,
      { details: { fingerprint: key.fingerprint, expiredAt: when } },
    );
  }
  checkTimes(signature, key, now);
  return key;
}

/** A fingerprint has 40 hex digits; a key id is its last 16. */
function isIssuer(fingerprint: string, issuer: string): boolean {
  return fingerprint === issuer || (issuer.length === 16 && fingerprint.endsWith(issuer));
}

function checkTimes(signature: SignaturePacket, key: VerificationKey, now: number): void {
  if (signature.created * 1000 < key.createdAt) {
    throw invalid(`it is older than the key ${key.fingerprint}`);
  }
  if (signature.expires !== undefined && signature.expires * 1000 <= now) {
    throw invalid(`it expired at ${new Date(signature.expires * 1000).toISOString()}`);
  }
}

/** Uses the state up. Returns the fingerprint of the key. */
function checkSignature(signature: SignaturePacket, state: Hash, key: VerificationKey): string {
  const { hashedPart } = signature;
  const digest = state.update(hashedPart).update(trailerOf(hashedPart)).digest();
  const matches =
    digest.subarray(0, 2).equals(signature.digestStart) && isGood(signature, digest, key);
  if (!matches) {
    throw new AppError(
      'signature-invalid',
      `The signature by the key ${key.fingerprint} does not match the signed bytes.`,
      { details: { fingerprint: key.fingerprint } },
    );
  }
  return key.fingerprint;
}

function isGood(signature: SignaturePacket, digest: Buffer, key: VerificationKey): boolean {
  if (key.key === undefined) {
    throw invalid(`the key ${key.fingerprint} has algorithm ${key.algorithm}, not supported`);
  }
  const { numbers } = signature;
  if (key.algorithm === ALGORITHM.eddsaLegacy) {
    const parts = numbers.map((number) => leftPad(number, ED25519_NUMBER));
    return (
      signature.algorithm === ALGORITHM.eddsaLegacy &&
      parts.length === 2 &&
      verify(null, digest, key.key, Buffer.concat(parts))
    );
  }
  const isRsa =
    signature.algorithm === ALGORITHM.rsa || signature.algorithm === ALGORITHM.rsaSignOnly;
  const [number] = numbers;
  const bits = key.key.asymmetricKeyDetails?.modulusLength ?? 0;
  const expected = Buffer.concat([Buffer.from(DIGEST_INFO[signature.hash] ?? '', 'hex'), digest]);
  return (
    isRsa &&
    numbers.length === 1 &&
    number !== undefined &&
    expected.equals(openRsa(number, bits, key))
  );
}

/** What an RSA signature with PKCS #1 v1.5 padding holds; nothing when OpenSSL finds the padding wrong. */
function openRsa(number: Buffer, bits: number, key: VerificationKey): Buffer {
  if (key.key === undefined) {
    return Buffer.alloc(0);
  }
  try {
    return publicDecrypt(
      { key: key.key, padding: constants.RSA_PKCS1_PADDING },
      leftPad(number, Math.ceil(bits / 8)),
    );
  } catch {
    return Buffer.alloc(0);
  }
}

/** Numbers are written without leading zeros. One that is too long stays so, and does not verify. */
function leftPad(number: Buffer, length: number): Buffer {
  return Buffer.concat([Buffer.alloc(Math.max(0, length - number.length)), number]);
}

function invalid(reason: string): Error {
  return new AppError('signature-invalid', `The signature is not accepted: ${reason}.`);
}
