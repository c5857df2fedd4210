import { type Key, readKey } from 'openpgp';
import { AppError, isAppError, messageOf } from '../../support/errors.ts';
import { runChecked, toolEnvironment } from '../../support/processes.ts';

/** Where gpg keeps a key that this program never sees: a home with an agent, perhaps a smartcard. */
export interface GpgPlace {
  /** Name or path of gpg. */
  readonly program: string;
  /** GNUPGHOME. */
  readonly home: string;
  /** Opens the key without a pinentry; null leaves that to the agent. */
  readonly passphraseFile: string | null;
  /** How long gpg may take for one answer, in milliseconds: a card that was pulled never answers. */
  readonly timeoutMs: number;
}

/** A key in a gpg home. */
export interface GpgKey {
  /** Of the key that signs, uppercase hex. */
  readonly fingerprint: string;
  readonly primaryFingerprint: string;
  /** Armored. */
  readonly publicKey: string;
}

/** A fingerprint as gpg takes it: `0x` before it, and `!` after that of a subkey that has to be the one. */
const KEY_NAME = /^(?:0x)?([0-9A-F]{40})(!?)$/;

/** The arguments that every call begins with. */
export function gpgCommand(place: GpgPlace): string[] {
  const { program, home, passphraseFile } = place;
  const command = [program, '--homedir', home, '--batch', '--no-tty'];
  return passphraseFile === null
    ? command
    : [...command, '--pinentry-mode', 'loopback', '--passphrase-file', passphraseFile];
}

/**
 * Looks a key up. `name` is a fingerprint, see `signing.gpg-key`. Throws `gpg-key-missing`, `signing-key-damaged`,
 * `gpg-signing-failed` when gpg cannot be asked.
 */
export async function findGpgKey(place: GpgPlace, name: string): Promise<GpgKey> {
  const [, wanted = '', pin = ''] =
    KEY_NAME.exec(name.replaceAll(' ', '').toUpperCase().replace(/^0X/, '')) ?? [];
  const publicKey = wanted === '' ? '' : await exportKey(place, wanted);
  if (publicKey === '') {
    throw new AppError(
      'gpg-key-missing',
      `There is no key ${name} in the gpg home ${place.home}.`,
      {
        details: { key: name, home: place.home },
      },
    );
  }
  try {
    const certificate = await readKey({ armoredKey: publicKey });
    const signing = await signingKeyOf(certificate, pin === '' ? undefined : wanted);
    return {
      fingerprint: signing.getFingerprint().toUpperCase(),
      primaryFingerprint: certificate.getFingerprint().toUpperCase(),
      publicKey,
    };
  } catch (error) {
    throw new AppError(
      'signing-key-damaged',
      `The key ${name} in the gpg home ${place.home} cannot be used: ${messageOf(error)}.`,
      { details: { key: name, home: place.home }, cause: error },
    );
  }
}

async function signingKeyOf(
  certificate: Key,
  pinned: string | undefined,
): ReturnType<Key['getSigningKey']> {
  const named = certificate.getKeys().find((key) => key.getFingerprint().toUpperCase() === pinned);
  return await certificate.getSigningKey(named?.getKeyID(), null);
}

async function exportKey(place: GpgPlace, fingerprint: string): Promise<string> {
  try {
    const command = [...gpgCommand(place), '--armor', '--export', fingerprint];
    const { stdout } = await runChecked(command, {
      env: toolEnvironment(),
      timeoutMs: place.timeoutMs,
    });
    return stdout.toString('utf8');
  } catch (error) {
    throw gpgFailed(`cannot export the key ${fingerprint} from ${place.home}`, error);
  }
}

/** `gpg-signing-failed` with what went wrong in a sentence. */
export function gpgFailed(what: string, error: unknown): Error {
  const reason = isAppError(error, 'process-timeout')
    ? 'it did not answer in time; is the agent or the card there'
    : messageOf(error).replace(/\.$/, '');
  return new AppError('gpg-signing-failed', `gpg ${what}: ${reason}.`, { cause: error });
}
