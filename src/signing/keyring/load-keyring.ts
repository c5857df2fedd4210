import { armor, enums, type Key, type PrivateKey, readKey } from 'openpgp';
import type { Clock } from '../../support/clock.ts';
import { type GpgPlace } from '../gpg/gpg-place.ts';
import { gpgSigner } from '../gpg/gpg-signer.ts';
import { damaged, signerOf } from '../key-signer.ts';
import { readVerificationKeys, type VerificationKey } from '../public-keys.ts';
import { parseSecretKey, unlockSecretKey } from '../secret-key.ts';
import type { AnySigner } from '../signer.ts';
import {
  type CertificateEntry,
  type KeyEntry,
  type KeyringDocument,
  keyIn,
} from './keyring-document.ts';

/** What opening keys takes. */
export interface KeyAccess {
  /** For messages. */
  readonly path: string;
  readonly passphrase: string | undefined;
  readonly gpg: GpgPlace | undefined;
  readonly clock: Clock;
}

/** The keys of a document, opened. */
export interface LoadedKeyring {
  readonly document: KeyringDocument;
  /** Unlocked, by the fingerprint of the primary key; those that gpg keeps are not in it. */
  readonly secrets: ReadonlyMap<string, PrivateKey>;
  /** The signers of all keys that are not revoked, by the fingerprint of the key. */
  readonly signers: ReadonlyMap<string, AnySigner>;
  /** What everybody can tell of each key, by its fingerprint. */
  readonly facts: ReadonlyMap<string, VerificationKey>;
  readonly current: AnySigner;
  /** Every public key in one armor, that of the current one first. */
  readonly publicKeys: string;
}

/** Throws `signing-key-damaged`, `signing-key-locked`. */
export async function loadKeyring(
  document: KeyringDocument,
  access: KeyAccess,
): Promise<LoadedKeyring> {
  const secrets = new Map<string, PrivateKey>();
  for (const { fingerprint, secret } of document.certificates) {
    if (secret !== null) {
      const parsed = await parseSecretKey(secret, access.path);
      secrets.set(fingerprint, await unlockSecretKey(parsed, access.path, access.passphrase));
    }
  }
  const signers = new Map<string, AnySigner>();
  for (const key of document.keys.filter(({ state }) => state !== 'revoked')) {
    const signer = await openKey(document, key, { ...access, secrets });
    if (signer !== undefined) {
      signers.set(key.fingerprint, signer);
    }
  }
  const current = signers.get(keyIn(document, 'current')?.fingerprint ?? '');
  if (current === undefined) {
    throw damaged(access.path, 'it does not say which key signs, or gpg keeps it and is not set');
  }
  const ordered = currentFirst(document, current.primaryFingerprint);
  const publicKeys = ordered.map((certificate) => certificate.public);
  const facts = await readVerificationKeys(publicKeys);
  return {
    document,
    secrets,
    signers,
    facts: new Map(facts.map((fact) => [fact.fingerprint, fact])),
    current,
    publicKeys: await joinPublicKeys(publicKeys),
  };
}

async function openKey(
  document: KeyringDocument,
  key: KeyEntry,
  access: KeyAccess & { readonly secrets: ReadonlyMap<string, PrivateKey> },
): Promise<AnySigner | undefined> {
  const { fingerprint, primaryFingerprint } = key;
  const { gpg, clock, path } = access;
  const secret = access.secrets.get(primaryFingerprint);
  if (secret !== undefined) {
    return await signerOf(secret, { path, clock, fingerprint });
  }
  const publicKey = document.certificates.find(
    (one) => one.fingerprint === primaryFingerprint,
  )?.public;
  return gpg === undefined || publicKey === undefined
    ? undefined
    : await gpgSigner(gpg, { fingerprint, primaryFingerprint, publicKey }, clock);
}

function currentFirst(document: KeyringDocument, primary: string): CertificateEntry[] {
  return document.certificates.toSorted(
    (a, b) => Number(b.fingerprint === primary) - Number(a.fingerprint === primary),
  );
}

/** Many programs read only the first of several armors. */
async function joinPublicKeys(armoredKeys: readonly string[]): Promise<string> {
  const keys: Key[] = await Promise.all(
    armoredKeys.map(async (armoredKey) => await readKey({ armoredKey })),
  );
  const packets = Buffer.concat(keys.map((key) => key.write()));
  return armor(enums.armor.publicKey, packets, undefined, undefined, undefined, true).replaceAll(
    '\r',
    '',
  );
}
