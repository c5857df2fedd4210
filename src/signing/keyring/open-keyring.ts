import { chmod, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { PrivateKey } from 'openpgp';
import type { Clock } from '../../support/clock.ts';
import { messageOf } from '../../support/errors.ts';
import {
  exists,
  readTextIfPresent,
  removeUnfinished,
  syncDirectory,
  writeFileAtomic,
} from '../../support/files.ts';
import type { Log } from '../../support/log.ts';
import { makeCertificate } from '../certificate.ts';
import { findGpgKey, type GpgPlace } from '../gpg/gpg-place.ts';
import { damaged, signerOf } from '../key-signer.ts';
import { armored, parseSecretKey, protectSecretKey, unlockSecretKey } from '../secret-key.ts';
import {
  type CertificateEntry,
  type KeyEntry,
  type KeyringDocument,
  keyringSchema,
  withCertificate,
} from './keyring-document.ts';

export const KEYRING_FILE = 'keyring.json';
/** Where the only key was kept before there was a keyring. */
const SECRET_FILE = 'secret-key.asc';
const PUBLIC_FILE = 'public-key.asc';

export interface KeyringOptions {
  /** Made with mode 0700. Holds `keyring.json` (0600). */
  readonly folder: string;
  /** Name and address of keys that are made; keys that are there keep their own. */
  readonly name: string;
  readonly email: string;
  /** Lifetime of keys that are made. */
  readonly validDays: number;
  /** Protects the secret keys on disk; those that have none are put under it. */
  readonly passphrase?: string;
  /** For keys that gpg keeps. `key` names the first one of an installation; empty: it is made here. */
  readonly gpg?: GpgPlace & { readonly key: string };
  readonly clock: Clock;
  readonly log?: Log;
}

export async function hasKeyring(folder: string): Promise<boolean> {
  return await exists(join(folder, KEYRING_FILE));
}

/** Atomically and durably. */
export async function writeKeyring(folder: string, document: KeyringDocument): Promise<void> {
  const text = `${JSON.stringify(document, null, 1)}\n`;
  await writeFileAtomic(join(folder, KEYRING_FILE), text, { mode: 0o600 });
}

/** Throws `signing-key-damaged`; undefined when there is none. */
export async function readKeyring(folder: string): Promise<KeyringDocument | undefined> {
  const path = join(folder, KEYRING_FILE);
  const text = await readTextIfPresent(path);
  return text === undefined ? undefined : parseKeyring(text, path);
}

export function parseKeyring(text: string, path: string): KeyringDocument {
  try {
    return keyringSchema.parse(JSON.parse(text));
  } catch (error) {
    throw damaged(path, messageOf(error), error);
  }
}

/**
 * The keyring of a folder, made or taken over from a `secret-key.asc` where there is none: what is on disk
 * afterwards is one `keyring.json` that is protected as it has to be.
 *
 * A `secret-key.asc` beside a keyring is a copy that an administrator has put back; it replaces the one with the same
 * fingerprint. Throws `signing-key-damaged`, `signing-key-locked`, `gpg-key-missing`, `gpg-signing-failed`.
 */
export async function prepareKeyring(options: KeyringOptions): Promise<KeyringDocument> {
  const { folder } = options;
  await prepareFolder(folder);
  await removeUnfinished(folder);
  const stored = await readKeyring(folder);
  const loose = await readTextIfPresent(join(folder, SECRET_FILE));
  if (stored === undefined && loose === undefined && (await exists(join(folder, PUBLIC_FILE)))) {
    throw damaged(join(folder, SECRET_FILE), 'it is missing, although its public key is there');
  }
  const document = stored ?? (await firstKeyring(options, loose));
  const merged = loose === undefined ? document : await takeIn(document, loose, options);
  const ready = await protectedKeyring(merged, options);
  if (ready !== stored) {
    await writeKeyring(folder, ready);
  }
  for (const name of [SECRET_FILE, PUBLIC_FILE]) {
    await rm(join(folder, name), { force: true });
  }
  await chmod(join(folder, KEYRING_FILE), 0o600);
  return ready;
}

/** Made with mode 0700, durably. */
export async function prepareFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  if (made !== undefined) {
    await syncDirectory(dirname(folder));
  }
}

async function firstKeyring(
  options: KeyringOptions,
  loose: string | undefined,
): Promise<KeyringDocument> {
  const { folder, clock, gpg, name, email, validDays, passphrase, log } = options;
  if (loose !== undefined) {
    const path = join(folder, SECRET_FILE);
    const secret = await unlockSecretKey(await parseSecretKey(loose, path), path, passphrase);
    return await keyringOf(secret, loose, options);
  }
  if (gpg !== undefined && gpg.key !== '') {
    const key = await findGpgKey(gpg, gpg.key);
    const certificate = {
      fingerprint: key.primaryFingerprint,
      source: 'gpg' as const,
      secret: null,
      public: key.publicKey,
    };
    return firstOf(certificate, newKey(key, clock.now()));
  }
  const made = await makeCertificate({ name, email, validDays, now: clock.now() });
  log?.info({ folder, validDays }, 'signing key made');
  return await keyringOf(made, armored(made), options);
}

async function keyringOf(
  secret: PrivateKey,
  text: string,
  { folder, clock }: KeyringOptions,
): Promise<KeyringDocument> {
  const signer = await signerOf(secret, { path: join(folder, SECRET_FILE), clock });
  return firstOf(certificateEntry(secret, text), newKey(signer, clock.now()));
}

function firstOf(certificate: CertificateEntry, key: KeyEntry): KeyringDocument {
  return {
    version: 1,
    certificates: [certificate],
    keys: [{ ...key, state: 'current' }],
    changes: [],
  };
}

export function certificateEntry(secret: PrivateKey, text: string): CertificateEntry {
  return {
    fingerprint: secret.getFingerprint().toUpperCase(),
    source: 'file',
    secret: text,
    public: armored(secret.toPublic()),
  };
}

/** A key that nodes do not know yet. */
export function newKey(
  key: { readonly fingerprint: string; readonly primaryFingerprint: string },
  now: number,
): KeyEntry {
  return {
    fingerprint: key.fingerprint,
    primaryFingerprint: key.primaryFingerprint,
    state: 'next',
    addedAt: now,
    publishedAt: null,
    overlapMs: null,
    resign: null,
  };
}

async function takeIn(
  document: KeyringDocument,
  loose: string,
  { folder, log }: KeyringOptions,
): Promise<KeyringDocument> {
  const path = join(folder, SECRET_FILE);
  const secret = await parseSecretKey(loose, path);
  const entry = certificateEntry(secret, loose);
  const known = document.certificates.find((one) => one.fingerprint === entry.fingerprint);
  if (known === undefined) {
    throw damaged(
      path,
      `${KEYRING_FILE} beside it does not know the key ${entry.fingerprint}; remove one of the two`,
    );
  }
  if (known.secret === loose) {
    return document;
  }
  log?.info({ path, fingerprint: entry.fingerprint }, 'the signing key was put back from a copy');
  return withCertificate(document, entry);
}

/** The very same document when nothing has to be put under the passphrase. */
async function protectedKeyring(
  document: KeyringDocument,
  { folder, passphrase, log }: KeyringOptions,
): Promise<KeyringDocument> {
  const path = join(folder, KEYRING_FILE);
  let result = document;
  for (const certificate of passphrase === undefined ? [] : document.certificates) {
    const key =
      certificate.secret === null ? undefined : await parseSecretKey(certificate.secret, path);
    if (key?.isDecrypted() === true && passphrase !== undefined) {
      const secret = await protectSecretKey(key, path, passphrase);
      result = withCertificate(result, { ...certificate, secret });
      log?.info({ path }, 'the signing key is now stored under its passphrase');
    }
  }
  return result;
}
