import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, toolEnvironment } from '../../src/support/processes.ts';
import {
  findPortage,
  type GentooPrefix,
  makeGentooPrefix,
  makeOverlay,
} from '../../test/support/gentoo-prefix.ts';
import { command, secondsIn } from './measure.ts';

/** The Portage of this machine, set up for one folder of packages whose key it trusts. */
export interface PortagePeer {
  readonly emaint: () => Promise<void>;
  /** Seconds of each `PackageIndex.read` of a file, file reading included. */
  readonly readIndex: (file: string, runs: number) => Promise<readonly number[]>;
}

const READ = `
import sys, time
import portage
from portage.dbapi.bintree import binarytree
tree = binarytree(pkgdir="/nonexistent", settings=portage.settings)
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    index = tree._new_pkgindex()
    with open(sys.argv[1], encoding="utf-8", errors="replace") as file:
        index.read(file)
    print("SECONDS", time.perf_counter() - start)
`;

/** Undefined when there is no emerge on PATH. */
export async function openPortagePeer(
  folder: string,
  pkgdir: string,
  publicKeyFile: string,
): Promise<PortagePeer | undefined> {
  if (findPortage() === undefined) {
    return undefined;
  }
  const overlay = join(folder, 'overlay');
  const home = join(folder, 'gnupg');
  await makeOverlay(overlay);
  await makeTrustingHome(home, await readFile(publicKeyFile, 'utf8'));
  const prefix = await makeGentooPrefix({
    folder: join(folder, 'prefix'),
    overlay,
    makeConf: [
      `PKGDIR="${pkgdir}"`,
      `BINPKG_GPG_VERIFY_GPG_HOME="${home}"`,
      'GPG_VERIFY_USER_DROP=""',
      'GPG_VERIFY_GROUP_DROP=""',
    ],
  });
  return {
    emaint: async () => {
      await expectSuccess(prefix);
    },
    readIndex: async (file, runs) => {
      const code = ['python3', '-c', READ, file, String(runs)];
      return secondsIn(await command(code, prefix.env));
    },
  };
}

async function expectSuccess(prefix: GentooPrefix): Promise<void> {
  const { exitCode, stderr } = await prefix.portage('emaint', ['--fix', 'binhost']);
  if (exitCode !== 0) {
    throw new Error(`emaint ended with ${exitCode}: ${stderr.slice(-2000)}`);
  }
}

async function makeTrustingHome(home: string, publicKey: string): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  const gpg = async (args: readonly string[], input = ''): Promise<string> => {
    const words = ['gpg', '--homedir', home, '--batch', '--no-tty', ...args];
    const { exitCode, stdout, stderr } = await run(words, { env: toolEnvironment(), input });
    if (exitCode !== 0) {
      throw new Error(`gpg ended with ${exitCode}: ${stderr}`);
    }
    return stdout.toString('utf8');
  };
  await gpg(['--import'], publicKey);
  const [, fingerprint] =
    /^fpr:+([0-9A-F]{40}):/m.exec(await gpg(['--with-colons', '--list-keys'])) ?? [];
  await gpg(['--import-ownertrust'], `${fingerprint}:6:\n`);
  await gpg(['--check-trustdb']);
}
