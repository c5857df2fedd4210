import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../../support/errors.ts';
import { namesIn } from '../../support/files.ts';
import { runChecked } from '../../support/processes.ts';
import type { RootAccess } from './root-access.ts';

/**
 * Makes a GnuPG home that trusts one key, in the state in which Portage accepts it: it verifies as `nobody`, so the
 * home, the key ring and the trust database are readable for everybody (`portage/gpg.py`,
 * `portage/gpkg.py:checksum_helper`).
 *
 * Throws `public-key-invalid`, `process-failed`.
 */
export async function makeVerificationHome(
  root: RootAccess,
  home: string,
  publicKey: string,
): Promise<void> {
  await mkdir(home, { mode: 0o700 });
  const keyFile = join(home, 'server.asc');
  await writeFile(keyFile, publicKey);
  const gpg = async (input: string, ...words: readonly string[]): Promise<string> => {
    const command = [
      'gpg',
      '--homedir',
      root.inside(home),
      '--batch',
      '--no-tty',
      '--no-autostart',
      ...words,
    ];
    const result = await runChecked(root.command(command), { env: root.environment, input });
    return result.stdout.toString('utf8');
  };
  await gpg('', '--import', root.inside(keyFile));
  const listed = await gpg('', '--with-colons', '--list-keys');
  const fingerprints = [...listed.matchAll(/^pub:.*\n(?:(?!fpr:).*\n)*fpr:+([0-9A-F]+):/gm)];
  if (fingerprints.length === 0) {
    throw new AppError(
      'public-key-invalid',
      'The server gave no OpenPGP key to verify packages with.',
    );
  }
  const trust = fingerprints.map((match) => `${match[1] ?? ''}:6:\n`).join('');
  await gpg(trust, '--import-ownertrust');
  await gpg('', '--check-trustdb');
  for (const name of await namesIn(home)) {
    const path = join(home, name);
    await chmod(path, (await stat(path)).isDirectory() ? 0o755 : 0o644);
  }
  await chmod(home, 0o755);
}

/** Whether any user of the machine can get to a folder. */
export async function isReachableForAll(path: string): Promise<boolean> {
  for (let place = path; ; place = dirname(place)) {
    if (((await stat(place)).mode & 0o001) === 0) {
      return false;
    }
    if (place === dirname(place)) {
      return true;
    }
  }
}
