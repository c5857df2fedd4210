import { chmod, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { PrivateKey } from 'openpgp';
import type { Clock } from '../support/clock.ts';
import { readTextIfPresent, syncDirectory, writeFileAtomic } from '../support/files.ts';
import type { Log } from '../support/log.ts';
import { makeCertificate } from './certificate.ts';
import { reportExpiry } from './key-expiry.ts';
import { damaged, expired, signerOf } from './key-signer.ts';
import { keyIn } from './keyring/keyring-document.ts';
import { hasKeyring, KEYRING_FILE, readKeyring } from './keyring/open-keyring.ts';
import { armored, parseSecretKey, protectSecretKey, unlockSecretKey } from './secret-key.ts';
import type { Signer } from './signer.ts';

const SECRET_FILE = 'secret-key.asc';
const PUBLIC_FILE = 'public-key.asc';

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

/**
 * Opens the signing key of a folder (that of a keyring which signs now), or makes it at the first call: an Ed25519 primary key with a signing subkey, in the
 * form that GnuPG 2.2 accepts (algorithm 22).
 *
 * The secret key is written before the public one, each atomically; a missing or other public key is written again.
 * Throws `signing-key-locked` (passphrase missing or wrong, or not applicable), `signing-key-damaged`, `signing-key-expired`.
 */
export async function openSigner(options: SignerOptions): Promise<Signer> {
  await prepareFolder(options.folder);
  if (await hasKeyring(options.folder)) {
    return await currentOf(options);
  }
  const secretPath = join(options.folder, SECRET_FILE);
  const publicPath = join(options.folder, PUBLIC_FILE);
  const storedSecret = await readTextIfPresent(secretPath);
  const storedPublic = await readTextIfPresent(publicPath);
  if (storedSecret === undefined && storedPublic !== undefined) {
    throw damaged(secretPath, 'it is missing, although its public key is there');
  }
  const secret = storedSecret ?? (await makeKey(secretPath, options));
  const certificate = await openSecret(secret, secretPath, options);
  const signer = await signerOf(certificate, { path: secretPath, clock: options.clock });
  if (signer.expiresAt !== null && options.clock.now() >= signer.expiresAt) {
    throw expired(signer.fingerprint, signer.expiresAt);
  }
  if (storedPublic !== signer.publicKey) {
    await writeFileAtomic(publicPath, signer.publicKey);
  }
  if (storedSecret !== undefined) {
    await chmod(secretPath, 0o600);
  }
  reportExpiry(signer, options.clock, options.log);
  return signer;
}

/** The key of a keyring that signs now. The keyring stays as it is. */
async function currentOf({ folder, passphrase, clock, log }: SignerOptions): Promise<Signer> {
  const path = join(folder, KEYRING_FILE);
  const document = await readKeyring(folder);
  const current = document === undefined ? undefined : keyIn(document, 'current');
  const secret = document?.certificates.find(
    ({ fingerprint }) => fingerprint === current?.primaryFingerprint,
  )?.secret;
  if (current === undefined || secret === undefined || secret === null) {
    throw damaged(path, 'the key that signs is not in it; gpg may keep it');
  }
  const certificate = await unlockSecretKey(await parseSecretKey(secret, path), path, passphrase);
  const { fingerprint } = current;
  const signer = await signerOf(certificate, { path, clock, fingerprint });
  if (signer.expiresAt !== null && clock.now() >= signer.expiresAt) {
    throw expired(signer.fingerprint, signer.expiresAt);
  }
  reportExpiry(signer, clock, log);
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
  const made = await makeCertificate({ name, email, validDays, now: clock.now() });
  const secret =
    passphrase === undefined ? armored(made) : await protectSecretKey(made, secretPath, passphrase);
  await writeFileAtomic(secretPath, secret, { mode: 0o600 });
  log?.info({ path: secretPath, validDays }, 'signing key made');
  return secret;
}

async function openSecret(
  secret: string,
  path: string,
  options: SignerOptions,
): Promise<PrivateKey> {
  const { passphrase, protectStored, log } = options;
  const stored = await parseSecretKey(secret, path);
  if (stored.isDecrypted() && passphrase !== undefined && protectStored) {
    const text = await protectSecretKey(stored, path, passphrase);
    await writeFileAtomic(path, text, { mode: 0o600 });
    log?.info({ path }, 'the signing key is now stored under its passphrase');
  }
  return await unlockSecretKey(stored, path, passphrase);
}
