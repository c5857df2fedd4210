import { chmod, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  decryptKey,
  encryptKey,
  enums,
  generateKey,
  type KeyID,
  type PrivateKey,
  readPrivateKey,
} from 'openpgp';
import { type Clock, epochSeconds } from '../support/clock.ts';
import { AppError, messageOf } from '../support/errors.ts';
import { readTextIfPresent, syncDirectory, writeFileAtomic } from '../support/files.ts';
import type { Log } from '../support/log.ts';
import { clearSign } from './clear-sign.ts';
import { type DetachedSigningKey, signState } from './detached-signature.ts';
import { reportExpiry } from './key-expiry.ts';
import { ed25519PrivateKey } from './key-material.ts';
import { expiryOf } from './public-keys.ts';
import type { Signer } from './signer.ts';

const SECRET_FILE = 'secret-key.asc';
const PUBLIC_FILE = 'public-key.asc';
const DAY_MS = 86_400_000;

export interface SignerOptions {
  /** Made with mode 0700. Holds `secret-key.asc` (0600) and `public-key.asc`, both in the form gpg imports. */
  readonly folder: string;
  /** Name and address of a key that is made now; a key that is there keeps its own. */
  readonly name: string;
  readonly email: string;
  /** Lifetime of a key that is made now. */
  readonly validDays: number;
  /** Protects the secret key on disk. */
  readonly passphrase?: string;
  /** Store a key that has no passphrase under this one from now on. For the server, whose key it is. */
  readonly protectStored?: boolean;
  readonly clock: Clock;
  /** Is told of a new key, and of one that ends within 30 days. */
  readonly log?: Log;
}

interface LoadedKey {
  readonly certificate: PrivateKey;
  readonly detached: DetachedSigningKey;
  readonly keyId: KeyID;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Milliseconds since the epoch, Infinity when it does not expire. */
  readonly expiresAt: number;
}

/**
 * Opens the farm's signing key, or makes it at the first call: an Ed25519 primary key with a signing subkey, in the
 * form that GnuPG 2.2 accepts (algorithm 22).
 *
 * The secret key is written before the public one, each atomically; a missing or other public key is written again.
 * Throws `signing-key-locked` (passphrase missing or wrong, or not applicable), `signing-key-damaged`, `signing-key-expired`.
 */
export async function openSigner(options: SignerOptions): Promise<Signer> {
  await prepareFolder(options.folder);
  const secretPath = join(options.folder, SECRET_FILE);
  const publicPath = join(options.folder, PUBLIC_FILE);
  const storedSecret = await readTextIfPresent(secretPath);
  const storedPublic = await readTextIfPresent(publicPath);
  if (storedSecret === undefined && storedPublic !== undefined) {
    throw damaged(secretPath, 'it is missing, although its public key is there');
  }
  const secret = storedSecret ?? (await makeKey(secretPath, options));
  const key = await loadKey(secret, secretPath, options);
  const publicKey = key.certificate.toPublic().armor().replaceAll('\r', '');
  if (storedPublic !== publicKey) {
    await writeFileAtomic(publicPath, publicKey);
  }
  if (storedSecret !== undefined) {
    await chmod(secretPath, 0o600);
  }
  const signer = signerOf(key, publicKey, options.clock);
  reportExpiry(signer, options.clock, options.log);
  return signer;
}

async function prepareFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  if (made !== undefined) {
    await syncDirectory(dirname(folder));
  }
}

async function makeKey(secretPath: string, options: SignerOptions): Promise<string> {
  const { name, email, validDays, passphrase, clock, log } = options;
  const { privateKey } = await generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: [{ name, email }],
    subkeys: [{ sign: true }],
    keyExpirationTime: validDays * (DAY_MS / 1000),
    date: new Date(clock.now()),
    ...(passphrase === undefined ? {} : { passphrase }),
    config: { preferredHashAlgorithm: enums.hash.sha512 },
  });
  const secret = privateKey.replaceAll('\r', '');
  await writeFileAtomic(secretPath, secret, { mode: 0o600 });
  log?.info({ path: secretPath, validDays }, 'signing key made');
  return secret;
}

async function loadKey(secret: string, path: string, options: SignerOptions): Promise<LoadedKey> {
  const certificate = await unlock(await parse(secret, path), path, options);
  const signingKey = await findSigningKey(certificate, path);
  const expiresAt = await expiryOf(certificate, signingKey);
  const privateKey = ed25519PrivateKey(signingKey.keyPacket);
  if (privateKey === undefined) {
    throw damaged(path, 'its signing key is not Ed25519 in the form that GnuPG 2.2 accepts');
  }
  const fingerprint = signingKey.getFingerprint().toUpperCase();
  if (options.clock.now() >= expiresAt) {
    throw expired(fingerprint, expiresAt);
  }
  return {
    certificate,
    detached: { privateKey, fingerprint },
    keyId: signingKey.getKeyID(),
    createdAt: signingKey.getCreationTime().getTime(),
    expiresAt,
  };
}

async function parse(secret: string, path: string): Promise<PrivateKey> {
  try {
    return await readPrivateKey({ armoredKey: secret });
  } catch (error) {
    throw damaged(path, messageOf(error), error);
  }
}

async function unlock(
  certificate: PrivateKey,
  path: string,
  { passphrase, protectStored, log }: SignerOptions,
): Promise<PrivateKey> {
  if (certificate.isDecrypted()) {
    if (passphrase !== undefined && protectStored) {
      await protect(certificate, path, passphrase);
      log?.info({ path }, 'the signing key is now stored under its passphrase');
    }
    return certificate;
  }
  if (passphrase === undefined) {
    throw locked(path, 'needs a passphrase and none is set');
  }
  try {
    return await decryptKey({ privateKey: certificate, passphrase });
  } catch (error) {
    throw locked(path, `was not unlocked: ${messageOf(error)}`, error);
  }
}

/** Puts the key that is stored without a passphrase under this one. */
async function protect(certificate: PrivateKey, path: string, passphrase: string): Promise<void> {
  let secret: string;
  try {
    const protectedKey = await encryptKey({ privateKey: certificate, passphrase });
    secret = protectedKey.armor().replaceAll('\r', '');
  } catch (error) {
    throw locked(path, `cannot be put under the passphrase: ${messageOf(error)}`, error);
  }
  await writeFileAtomic(path, secret, { mode: 0o600 });
}

async function findSigningKey(
  certificate: PrivateKey,
  path: string,
): ReturnType<PrivateKey['getSigningKey']> {
  try {
    return await certificate.getSigningKey(undefined, null);
  } catch (error) {
    throw damaged(path, messageOf(error), error);
  }
}

function signerOf(key: LoadedKey, publicKey: string, clock: Clock): Signer {
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
    publicKey,
    expiresAt: Number.isFinite(key.expiresAt) ? key.expiresAt : null,
    signState: (state) => signState(state, detached, signingSecond()),
    clearSign: async (text) =>
      await clearSign(text, { privateKey: certificate, keyId }, signingSecond()),
  });
}

function damaged(path: string, reason: string, cause?: unknown): Error {
  return new AppError('signing-key-damaged', `The signing key ${path} cannot be used: ${reason}.`, {
    details: { path },
    cause,
  });
}

function locked(path: string, reason: string, cause?: unknown): Error {
  return new AppError('signing-key-locked', `The signing key ${path} ${reason}.`, {
    details: { path },
    cause,
  });
}

function expired(fingerprint: string, expiresAt: number): Error {
  const when = new Date(expiresAt).toISOString();
  return new AppError(
    'signing-key-expired',
    `The signing key ${fingerprint} expired at ${when}; gpg refuses what it signs.`,
    { details: { fingerprint, expiredAt: when } },
  );
}
