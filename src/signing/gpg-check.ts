import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError, isAppError } from '../support/errors.ts';
import { run, runChecked, toolEnvironment } from '../support/processes.ts';
import { primaryFingerprints } from './public-keys.ts';

/** Something that gpg is to verify. `name` is for messages. */
export type SignedPair =
  | {
      readonly kind: 'detached';
      readonly name: string;
      readonly data: Uint8Array;
      readonly signature: string | Uint8Array;
    }
  | { readonly kind: 'clear-signed'; readonly name: string; readonly text: string };

export interface GpgVerdict {
  readonly name: string;
  /** Fingerprint of the key that made the signature, uppercase hex. */
  readonly fingerprint: string;
  /** What gpg gave back of a clear-signed text. */
  readonly text?: string;
}

const GPG = 'gpg';
const TELLING = /SIG$|^TRUST_|^NO_PUBKEY$|^NODATA$/;

/** Whether gpg can be run. */
export async function isGpgInstalled(gpg = GPG): Promise<boolean> {
  try {
    return (await run([gpg, '--version'], { env: toolEnvironment() })).exitCode === 0;
  } catch (error) {
    if (isAppError(error, 'program-not-found')) {
      return false;
    }
    throw error;
  }
}

/**
 * Has gpg verify signatures as Portage does (`portage/gpkg.py:checksum_helper._check_gpg_status`): exit status 0, a
 * GOODSIG line, and TRUST_ULTIMATE or TRUST_FULLY. The key is the only one in a home of its own, which is gone
 * afterwards, as is its agent.
 *
 * Throws `gpg-refused` for the first that is not good, `public-key-invalid`, `program-not-found`.
 */
export async function verifyWithGpg(options: {
  readonly gpg?: string;
  /** Armored. */
  readonly publicKey: string;
  readonly pairs: readonly SignedPair[];
}): Promise<GpgVerdict[]> {
  const fingerprints = await primaryFingerprints(options.publicKey);
  const gpg = options.gpg ?? GPG;
  // Sockets of the agent live in here: their paths may have 107 bytes.
  const home = await mkdtemp(join(tmpdir(), 'rk-'));
  try {
    await trust(gpg, home, { publicKey: options.publicKey, fingerprints });
    const verdicts: GpgVerdict[] = [];
    for (const pair of options.pairs) {
      verdicts.push(await verifyPair(gpg, home, pair));
    }
    return verdicts;
  } finally {
    await killAgent(home);
    await rm(home, { recursive: true, force: true });
  }
}

async function trust(
  gpg: string,
  home: string,
  key: { readonly publicKey: string; readonly fingerprints: readonly string[] },
): Promise<void> {
  const command = [gpg, '--homedir', home, '--batch', '--no-tty'];
  const env = toolEnvironment();
  await runChecked([...command, '--import'], { env, input: key.publicKey });
  const ownertrust = key.fingerprints.map((fingerprint) => `${fingerprint}:6:\n`).join('');
  await runChecked([...command, '--import-ownertrust'], { env, input: ownertrust });
  await runChecked([...command, '--check-trustdb'], { env });
}

async function verifyPair(gpg: string, home: string, pair: SignedPair): Promise<GpgVerdict> {
  const command = [gpg, '--verify', '--batch', '--no-tty', '--no-auto-check-trustdb'];
  const status = ['--status-fd', '2', '--homedir', home];
  const env = toolEnvironment();
  if (pair.kind === 'clear-signed') {
    const result = await run([...command, ...status, '--output', '-', '-'], {
      env,
      input: pair.text,
    });
    return {
      name: pair.name,
      fingerprint: judge(pair.name, result),
      text: result.stdout.toString('utf8'),
    };
  }
  const signaturePath = join(home, 'check.sig');
  await writeFile(signaturePath, pair.signature);
  const result = await run([...command, ...status, signaturePath, '-'], { env, input: pair.data });
  return { name: pair.name, fingerprint: judge(pair.name, result) };
}

function judge(
  name: string,
  result: { readonly exitCode: number; readonly stderr: string },
): string {
  const status = result.stderr
    .split('\n')
    .filter((line) => line.startsWith('[GNUPG:] '))
    .map((line) => line.slice('[GNUPG:] '.length).split(' '));
  const has = (...words: string[]): boolean =>
    status.some(([word]) => word !== undefined && words.includes(word));
  const fingerprint = status.find(([word]) => word === 'VALIDSIG')?.[1];
  const isAccepted =
    result.exitCode === 0 && has('GOODSIG') && has('TRUST_ULTIMATE', 'TRUST_FULLY');
  if (!isAccepted || fingerprint === undefined) {
    const telling = status.map(([word]) => word ?? '').filter((word) => TELLING.test(word));
    const said = telling.length > 0 ? telling.join(' ') : result.stderr.trim().slice(-300);
    throw new AppError('gpg-refused', `gpg does not accept the signature of ${name}: ${said}.`, {
      details: { name, exitCode: result.exitCode, status: status.map((words) => words.join(' ')) },
    });
  }
  return fingerprint;
}

async function killAgent(home: string): Promise<void> {
  try {
    await run(['gpgconf', '--homedir', home, '--kill', 'all'], { env: toolEnvironment() });
  } catch (error) {
    if (!isAppError(error, 'program-not-found')) {
      throw error;
    }
  }
}
