import { join } from 'node:path';
import type { PrivateKey } from 'openpgp';
import { AppError } from '../../support/errors.ts';
import {
  addSigningSubkey,
  extendCertificate,
  makeCertificate,
  type RevocationCause,
  revokeKeyOf,
} from '../certificate.ts';
import { findGpgKey } from '../gpg/gpg-place.ts';
import { armored, protectSecretKey } from '../secret-key.ts';
import {
  type CertificateEntry,
  type KeyEntry,
  type KeyringDocument,
  withCertificate,
  withKey,
} from './keyring-document.ts';
import type { LoadedKeyring } from './load-keyring.ts';
import { certificateEntry, KEYRING_FILE, type KeyringOptions, newKey } from './open-keyring.ts';

const DAY_MS = 86_400_000;

/** What a new key is: a signing subkey of the present primary key, a primary key of its own, or one in gpg's home. */
export type NewKey =
  | { readonly kind: 'subkey' }
  | { readonly kind: 'primary' }
  | { readonly kind: 'gpg'; readonly name: string };

interface WithNewKey {
  readonly document: KeyringDocument;
  readonly key: KeyEntry;
}

/** The document with the certificate of a new key; the key itself is not in it yet. */
export async function makeNextKey(
  { document, current, secrets }: LoadedKeyring,
  wanted: NewKey,
  options: KeyringOptions,
): Promise<WithNewKey> {
  const { name, email, validDays, clock } = options;
  const now = clock.now();
  if (wanted.kind === 'gpg') {
    return await takeFromGpg(document, wanted.name, options);
  }
  const certificate =
    wanted.kind === 'primary'
      ? await makeCertificate({ name, email, validDays, now })
      : await withSubkey(secretOf(secrets, current.primaryFingerprint, 'given a further subkey'), {
          validDays,
          now,
        });
  const key = {
    fingerprint: certificate.subkeys.at(-1)?.getFingerprint().toUpperCase() ?? '',
    primaryFingerprint: certificate.getFingerprint().toUpperCase(),
  };
  const entry = await entryOf(certificate, options);
  return { document: withCertificate(document, entry), key: newKey(key, now) };
}

/** Every key that is not revoked ends `days` from now, or later where it did so already. Throws `key-source-gpg`. */
export async function extendKeys(
  { document, current, secrets }: LoadedKeyring,
  days: number,
  options: KeyringOptions,
): Promise<KeyringDocument> {
  const now = options.clock.now();
  secretOf(secrets, current.primaryFingerprint, 'extended');
  let result = document;
  for (const [primary, secret] of secrets) {
    const subkeys = document.keys
      .filter((key) => key.primaryFingerprint === primary && key.state !== 'revoked')
      .map(({ fingerprint }) => fingerprint);
    if (subkeys.length > 0) {
      const until = Math.max(now + days * DAY_MS, await endOf(secret));
      const extended = await extendCertificate(secret, { until, now, subkeys });
      result = withCertificate(result, await entryOf(extended, options));
    }
  }
  return result;
}

/**
 * The document with this key revoked; the fingerprint of a primary key stands for all its keys. Throws
 * `unknown-key`, `key-in-use`, `key-source-gpg`.
 */
export async function revokeKeys(
  { document, secrets }: LoadedKeyring,
  wanted: {
    readonly fingerprint: string;
    readonly cause: RevocationCause;
    readonly reason: string;
  },
  options: KeyringOptions,
): Promise<KeyringDocument> {
  const { fingerprint } = wanted;
  const details = { fingerprint };
  const keys = document.keys.filter(
    (key) => key.fingerprint === fingerprint || key.primaryFingerprint === fingerprint,
  );
  const primary = keys[0]?.primaryFingerprint;
  if (primary === undefined) {
    throw new AppError('unknown-key', `There is no key ${fingerprint}.`, { details });
  }
  if (keys.some(({ state }) => state === 'current')) {
    throw new AppError(
      'key-in-use',
      `The key ${fingerprint} signs now; rotate to another one first.`,
      { details },
    );
  }
  const secret = secretOf(secrets, primary, 'revoked');
  const certificate = await revokeKeyOf(secret, { ...wanted, now: options.clock.now() });
  const withIt = withCertificate(document, await entryOf(certificate, options));
  return keys
    .map((key): KeyEntry => ({ ...key, state: 'revoked', overlapMs: null, resign: null }))
    .reduce(withKey, withIt);
}

async function takeFromGpg(
  document: KeyringDocument,
  name: string,
  { gpg, clock }: KeyringOptions,
): Promise<WithNewKey> {
  if (gpg === undefined) {
    throw new AppError(
      'gpg-key-missing',
      `The key ${name} cannot be looked up: [signing] gpg-home is not set.`,
    );
  }
  const key = await findGpgKey(gpg, name);
  if (document.keys.some(({ fingerprint }) => fingerprint === key.fingerprint)) {
    throw new AppError('key-in-use', `The key ${key.fingerprint} is one of the keys already.`, {
      details: { fingerprint: key.fingerprint },
    });
  }
  const entry: CertificateEntry = {
    fingerprint: key.primaryFingerprint,
    source: 'gpg',
    secret: null,
    public: key.publicKey,
  };
  return { document: withCertificate(document, entry), key: newKey(key, clock.now()) };
}

/** The primary key has to live as long as its newest subkey. */
async function withSubkey(
  certificate: PrivateKey,
  { validDays, now }: { readonly validDays: number; readonly now: number },
): Promise<PrivateKey> {
  const until = now + validDays * DAY_MS;
  const isLongEnough = (await endOf(certificate)) >= until;
  const longer = isLongEnough
    ? certificate
    : await extendCertificate(certificate, { until, now, subkeys: [] });
  return await addSigningSubkey(longer, { validDays, now });
}

/** Milliseconds since the epoch; Infinity is never. */
async function endOf(certificate: PrivateKey): Promise<number> {
  return Number((await certificate.getExpirationTime()) ?? 0);
}

async function entryOf(
  certificate: PrivateKey,
  { passphrase, folder }: KeyringOptions,
): Promise<CertificateEntry> {
  const text =
    passphrase === undefined
      ? armored(certificate)
      : await protectSecretKey(certificate, join(folder, KEYRING_FILE), passphrase);
  return certificateEntry(certificate, text);
}

function secretOf(
  secrets: ReadonlyMap<string, PrivateKey>,
  fingerprint: string,
  what: string,
): PrivateKey {
  const secret = secrets.get(fingerprint);
  if (secret === undefined) {
    throw new AppError(
      'key-source-gpg',
      `The key ${fingerprint} is kept by gpg and has to be ${what} there.`,
      { details: { fingerprint } },
    );
  }
  return secret;
}
