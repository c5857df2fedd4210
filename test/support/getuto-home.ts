import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';

/**
 * A verification home as Gentoo's getuto leaves it (projg2/getuto): a local RSA key whose passphrase lies in `pass`
 * and whose fingerprints lie in `mykeyid`, the keys of the distribution locally signed by it, 0755 with a trust
 * database that everybody may read.
 */
export async function makeGetutoHome(home: string, distributionKey: string): Promise<void> {
  mkdirSync(home, { recursive: true });
  chmodSync(home, 0o755);
  writeFileSync(join(home, 'gpg.conf'), 'no-greeting\n');
  // The count is for the tests alone: else locking and unlocking the key takes a second each time.
  writeFileSync(join(home, 'gpg-agent.conf'), 'disable-scdaemon\ns2k-count 65536\n');
  const pass = join(home, 'pass');
  writeFileSync(pass, 'c2VjcmV0\n', { mode: 0o600 });
  const secret = ['--pinentry-mode', 'loopback', '--passphrase-file', pass];
  const gpg = async (args: readonly string[], input = ''): Promise<string> => {
    const command = ['gpg', '--homedir', home, '--batch', '--no-tty', '--yes', ...args];
    return (await runChecked(command, { env: toolEnvironment(), input })).stdout.toString('utf8');
  };
  const user = 'Portage Local Trust Key <portage@localhost>';
  await gpg([...secret, '--quick-generate-key', user, 'rsa2048', 'cert,sign', '0']);
  const local = fingerprints(await gpg(['--with-colons', '--list-secret-keys']));
  writeFileSync(join(home, 'mykeyid'), `${local.join('\n')}\n`);
  await gpg(['--import'], distributionKey);
  const imported = fingerprints(await gpg(['--with-colons', '--list-keys'])).filter(
    (fingerprint) => !local.includes(fingerprint),
  );
  await gpg([...secret, '--quick-lsign-key', imported[0] ?? '']);
  await gpg(['--check-trustdb']);
  chmodSync(join(home, 'trustdb.gpg'), 0o644);
  writeFileSync(join(home, '.getuto.last'), '');
  await runChecked(['gpgconf', '--homedir', home, '--kill', 'all'], { env: toolEnvironment() });
}

function fingerprints(listing: string): string[] {
  return [...listing.matchAll(/^fpr:+([0-9A-F]{40}):/gm)].map((match) => match[1] ?? '');
}
