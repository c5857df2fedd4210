import { link, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { createMessage, decrypt, encrypt, readMessage } from 'openpgp';
import type { Clock } from '../../support/clock.ts';
import { AppError, messageOf } from '../../support/errors.ts';
import { exists, syncDirectory } from '../../support/files.ts';
import { armored, parseSecretKey, unlockSecretKey } from '../secret-key.ts';
import type { KeyringDocument } from './keyring-document.ts';
import { KEYRING_FILE, parseKeyring, readKeyring, writeKeyring } from './open-keyring.ts';

const LOOSE_FILE = 'secret-key.asc';

/** What a backup holds: fingerprints, uppercase hex. */
export interface BackupContents {
  readonly keys: readonly { readonly fingerprint: string; readonly state: string }[];
  /** Keys that gpg keeps: their secret halves are not in it. */
  readonly keptByGpg: readonly string[];
}

/**
 * The keyring of a folder under a passphrase of its own, as one armored OpenPGP message (RFC 4880 5.3, 5.13), which
 * `gpg --decrypt` opens as well. It needs nothing but itself and that passphrase: the secret keys in it are not under
 * the passphrase of the server.
 *
 * Throws `signing-key-missing`, `signing-key-locked`, `signing-key-damaged`.
 */
export async function makeBackup(
  folder: string,
  options: { readonly passphrase: string | undefined; readonly backupPassphrase: string },
): Promise<{ readonly text: string; readonly contents: BackupContents }> {
  const path = join(folder, KEYRING_FILE);
  const document = await readKeyring(folder);
  if (document === undefined) {
    throw new AppError('signing-key-missing', `There is no ${path}; start the server once.`);
  }
  const certificates: KeyringDocument['certificates'] = [];
  for (const { secret, ...certificate } of document.certificates) {
    const key = secret === null ? undefined : await parseSecretKey(secret, path);
    const unlocked =
      key === undefined ? null : await unlockSecretKey(key, path, options.passphrase);
    certificates.push({ ...certificate, secret: unlocked === null ? null : armored(unlocked) });
  }
  const message = await createMessage({ text: JSON.stringify({ ...document, certificates }) });
  const text = await encrypt({ message, passwords: options.backupPassphrase });
  return { text: text.replaceAll('\r', ''), contents: contentsOf(document) };
}

/**
 * Puts the keyring of a backup into a folder, for the next start of a server. With `replace`, one that is there stays
 * beside it as `keyring.json.before-<time>`.
 *
 * Throws `key-backup-unreadable`, `signing-key-present`, `signing-key-damaged`.
 */
export async function restoreBackup(
  folder: string,
  options: {
    readonly text: string;
    readonly backupPassphrase: string;
    readonly replace: boolean;
    readonly clock: Clock;
  },
): Promise<BackupContents> {
  const document = parseKeyring(
    await decrypted(options.text, options.backupPassphrase),
    'in the backup',
  );
  const [path, loose] = [join(folder, KEYRING_FILE), join(folder, LOOSE_FILE)];
  const present = [
    ...((await exists(path)) ? [path] : []),
    ...((await exists(loose)) ? [loose] : []),
  ];
  if (present[0] !== undefined && !options.replace) {
    throw new AppError(
      'signing-key-present',
      `There is a key in ${present[0]}; with --replace it is moved aside.`,
      { details: { path: present[0] } },
    );
  }
  const stamp = new Date(options.clock.now()).toISOString().replaceAll(/[-:.]/g, '');
  // There is a keyring at every moment: a server that found none would make a key.
  if (present.includes(path)) {
    await link(path, `${path}.before-${stamp}`);
  }
  await writeKeyring(folder, document);
  if (present.includes(loose)) {
    await rename(loose, `${loose}.before-${stamp}`);
    await syncDirectory(folder);
  }
  return contentsOf(document);
}

async function decrypted(text: string, passphrase: string): Promise<string> {
  try {
    const message = await readMessage({ armoredMessage: text });
    return (await decrypt({ message, passwords: passphrase })).data;
  } catch (error) {
    throw new AppError(
      'key-backup-unreadable',
      `The backup cannot be opened with this passphrase: ${messageOf(error).replace(/\.$/, '')}.`,
      { cause: error },
    );
  }
}

function contentsOf(document: KeyringDocument): BackupContents {
  return {
    keys: document.keys.map(({ fingerprint, state }) => ({ fingerprint, state })),
    keptByGpg: document.certificates
      .filter(({ source }) => source === 'gpg')
      .map(({ fingerprint }) => fingerprint),
  };
}
