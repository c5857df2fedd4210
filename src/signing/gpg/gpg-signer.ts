import { once } from 'node:events';
import { readKey } from 'openpgp';
import type { Clock } from '../../support/clock.ts';
import {
  ended,
  killGroup,
  runChecked,
  spawnGroup,
  toolEnvironment,
} from '../../support/processes.ts';
import { checkClearSignText } from '../clear-sign.ts';
import { expired } from '../key-signer.ts';
import { expiryOf } from '../public-keys.ts';
import type { SigningStream, StreamSigner } from '../signer.ts';
import { type GpgKey, type GpgPlace, gpgCommand, gpgFailed } from './gpg-place.ts';

const MAX_SIGNATURE_BYTES = 64 * 1024;

/** A signer whose every signature is made by a gpg process; the bytes pass through its standard input. */
export async function gpgSigner(place: GpgPlace, key: GpgKey, clock: Clock): Promise<StreamSigner> {
  const certificate = await readKey({ armoredKey: key.publicKey });
  const found = certificate
    .getKeys()
    .find((one) => one.getFingerprint().toUpperCase() === key.fingerprint);
  const expiresAt = found === undefined ? 0 : await expiryOf(certificate, found);
  const refuseExpired = (): void => {
    if (clock.now() >= expiresAt) {
      throw expired(key.fingerprint, expiresAt);
    }
  };
  return Object.freeze<StreamSigner>({
    fingerprint: key.fingerprint,
    primaryFingerprint: key.primaryFingerprint,
    publicKey: key.publicKey,
    expiresAt: Number.isFinite(expiresAt) ? expiresAt : null,
    signStream: () => {
      refuseExpired();
      return new GpgStream(place, key.fingerprint);
    },
    clearSign: async (text) => {
      refuseExpired();
      checkClearSignText(text);
      return await clearSign(place, key.fingerprint, text);
    },
  });
}

function signing(place: GpgPlace, fingerprint: string, how: string): string[] {
  const options = ['--armor', '--digest-algo', 'SHA512', '--local-user', `0x${fingerprint}!`];
  return [...gpgCommand(place), ...options, how];
}

async function clearSign(place: GpgPlace, fingerprint: string, text: string): Promise<string> {
  try {
    const { stdout } = await runChecked(signing(place, fingerprint, '--clear-sign'), {
      env: toolEnvironment(),
      input: text,
      timeoutMs: place.timeoutMs,
    });
    return stdout.toString('utf8');
  } catch (error) {
    throw gpgFailed(`cannot sign with the key ${fingerprint}`, error);
  }
}

/** One `gpg --detach-sign`. Every step of it ends within the time that gpg may take for an answer. */
class GpgStream implements SigningStream {
  readonly #place: GpgPlace;
  readonly #fingerprint: string;
  readonly #child: ReturnType<typeof spawnGroup>;
  readonly #exit: Promise<number>;
  #stdout = '';
  #stderr = '';

  constructor(place: GpgPlace, fingerprint: string) {
    this.#place = place;
    this.#fingerprint = fingerprint;
    const command = signing(place, fingerprint, '--detach-sign');
    this.#child = spawnGroup(command, { env: toolEnvironment() }, ['pipe', 'pipe', 'pipe']);
    this.#exit = ended(this.#child, command);
    this.#exit.catch(() => undefined);
    // A gpg that ends early says why on standard error, and with its exit code.
    this.#child.stdin?.on('error', () => undefined);
    this.#child.stdout?.on('data', (piece: Buffer) => {
      this.#stdout = (this.#stdout + piece.toString('utf8')).slice(0, MAX_SIGNATURE_BYTES);
    });
    this.#child.stderr?.on('data', (piece: Buffer) => {
      this.#stderr = (this.#stderr + piece.toString('utf8')).slice(-MAX_SIGNATURE_BYTES);
    });
  }

  async write(piece: Uint8Array): Promise<void> {
    const { stdin } = this.#child;
    if (stdin === null || stdin.destroyed || stdin.write(Buffer.from(piece))) {
      return;
    }
    const settled = new AbortController();
    const { signal } = settled;
    try {
      const room = Promise.race([
        once(stdin, 'drain', { signal }),
        once(stdin, 'close', { signal }),
      ]);
      await this.#inTime(Promise.race([room.catch(() => undefined), this.#exit]));
    } finally {
      settled.abort();
    }
  }

  async end(): Promise<string> {
    this.#child.stdin?.end();
    const exitCode = await this.#inTime(this.#exit);
    if (exitCode !== 0 || this.#stdout === '') {
      throw this.#failed(new Error(lastLine(this.#stderr)));
    }
    return this.#stdout;
  }

  abandon(): void {
    killGroup(this.#child, 'SIGKILL');
  }

  async #inTime<T>(work: Promise<T>): Promise<T> {
    const { timeoutMs } = this.#place;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(
          new Error(`it did not answer within ${timeoutMs} ms; is the agent or the card there`),
        );
      }, timeoutMs);
    });
    try {
      return await Promise.race([work, late]);
    } catch (error) {
      this.abandon();
      throw this.#failed(error);
    } finally {
      clearTimeout(timer);
    }
  }

  #failed(error: unknown): Error {
    return gpgFailed(`cannot sign with the key ${this.#fingerprint}`, error);
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? 'it says nothing';
}
