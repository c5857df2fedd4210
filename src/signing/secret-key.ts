import { decryptKey, encryptKey, type PrivateKey, readPrivateKey } from 'openpgp';
import { AppError, messageOf } from '../support/errors.ts';
import { damaged } from './key-signer.ts';

/** `path` is for messages, here and below. Throws `signing-key-damaged`. */
export async function parseSecretKey(secret: string, path: string): Promise<PrivateKey> {
  try {
    return await readPrivateKey({ armoredKey: secret });
  } catch (error) {
    throw damaged(path, messageOf(error), error);
  }
}

/** Throws `signing-key-locked` when the passphrase is missing or wrong; a key without one needs none. */
export async function unlockSecretKey(
  key: PrivateKey,
  path: string,
  passphrase: string | undefined,
): Promise<PrivateKey> {
  if (key.isDecrypted()) {
    return key;
  }
  if (passphrase === undefined) {
    throw locked(path, 'needs a passphrase and none is set');
  }
  try {
    return await decryptKey({ privateKey: key, passphrase });
  } catch (error) {
    throw locked(path, `was not unlocked: ${messageOf(error)}`, error);
  }
}

/** The armored key, under a passphrase. Throws `signing-key-locked` when it cannot be put under it. */
export async function protectSecretKey(
  key: PrivateKey,
  path: string,
  passphrase: string,
): Promise<string> {
  try {
    return armored(await encryptKey({ privateKey: key, passphrase }));
  } catch (error) {
    throw locked(path, `cannot be put under the passphrase: ${messageOf(error)}`, error);
  }
}

/** ASCII armor with LF line ends. */
export function armored(key: { armor(): string }): string {
  return key.armor().replaceAll('\r', '');
}

function locked(path: string, reason: string, cause?: unknown): Error {
  return new AppError('signing-key-locked', `The signing key ${path} ${reason}.`, {
    details: { path },
    cause,
  });
}
