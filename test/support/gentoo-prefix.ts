import { accessSync, constants, cpSync, existsSync, realpathSync } from 'node:fs';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { type RunResult, run, toolEnvironment } from '../../src/support/processes.ts';

/** A throw-away Gentoo prefix in which the Portage of this machine acts as builder or as client. */
export interface GentooPrefix {
  readonly folder: string;
  /** `<folder>/etc/portage/make.conf`, a file. */
  readonly makeConf: string;
  /** The whole environment of every Portage program that is run for this prefix. */
  readonly env: Readonly<Record<string, string>>;
  /** Any exit code is a result. `env` is added to the environment. */
  emerge(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<RunResult>;
  /** Another program of the same Portage, for instance `portageq`, `ebuild`, `emaint`. */
  portage(program: string, args: readonly string[]): Promise<RunResult>;
  /** Python with Portage importable. */
  python(code: string): Promise<RunResult>;
  /** Ends what still runs of the above, for instance after a hook that took too long. */
  stop(): Promise<void>;
}

/** Where Portage is: a checkout (programs, Python modules and configuration side by side) or an installation. */
export interface PortagePlace {
  readonly bin: string;
  readonly configuration: string;
  readonly pythonPath?: string;
}

const SLOW_MS = 600_000;

/** The Portage whose `emerge` is first on PATH. */
export function findPortage(): PortagePlace | undefined {
  const onPath = (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'emerge'))
    .find(isExecutable);
  if (onPath === undefined) {
    return undefined;
  }
  const bin = dirname(realpathSync(onPath));
  const checkout = dirname(bin);
  if (existsSync(join(checkout, 'lib/portage/__init__.py'))) {
    return { bin, configuration: join(checkout, 'cnf'), pythonPath: join(checkout, 'lib') };
  }
  return { bin: dirname(onPath), configuration: '/usr/share/portage/config' };
}

/** For `describe`: runs where Portage is installed, and says in its name why it is skipped elsewhere. */
export function portageSuite(name: string): readonly [name: string, skipped: boolean] {
  return findPortage() === undefined
    ? [`${name} (skipped: no emerge on PATH)`, true]
    : [name, false];
}

/**
 * Makes a prefix with a profile and one ebuild repository.
 *
 * The overlay needs `profiles/test` (see `makeOverlay`). The verify home of Portage does not follow the prefix:
 * set BINPKG_GPG_VERIFY_GPG_HOME. Portage verifies as nobody, so that home has to lie in folders that
 * everybody may enter (not below a fresh mkdtemp folder, which is 0700).
 */
export async function makeGentooPrefix(options: {
  readonly folder: string;
  readonly overlay: string;
  readonly cflags?: string;
  /** More lines for make.conf. */
  readonly makeConf?: readonly string[];
}): Promise<GentooPrefix> {
  const place = findPortage();
  if (place === undefined) {
    throw new Error('no emerge on PATH');
  }
  await mkdir(options.folder, { recursive: true });
  const folder = realpathSync(options.folder);
  await fill(folder, place, options);
  const env = environment(folder, place);
  const stopping = new AbortController();
  const running = new Set<Promise<RunResult>>();
  const start = async (
    command: readonly string[],
    more: Readonly<Record<string, string>> = {},
  ): Promise<RunResult> => {
    const ended = run(command, {
      env: { ...env, ...more },
      timeoutMs: SLOW_MS,
      signal: stopping.signal,
    });
    running.add(ended);
    try {
      return await ended;
    } finally {
      running.delete(ended);
    }
  };
  return {
    folder,
    makeConf: join(folder, 'etc/portage/make.conf'),
    env,
    emerge: async (args, more) => await start([join(place.bin, 'emerge'), ...args], more),
    portage: async (program, args) => await start([join(place.bin, program), ...args]),
    python: async (code) => await start(['python3', '-c', code]),
    stop: async () => {
      stopping.abort();
      await Promise.allSettled(running);
    },
  };
}

/**
 * Writes a program that is the `emerge` of a prefix, for those who call it in an environment of their own.
 * PORTAGE_CONFIGROOT is theirs to set.
 */
export async function writeEmerge({ env }: GentooPrefix, path: string): Promise<void> {
  const place = findPortage();
  const lines = Object.entries(env)
    .filter(([key]) => key !== 'PORTAGE_CONFIGROOT')
    .map(([key, value]) => `export ${key}='${value}'`);
  const text = ['#!/bin/sh', ...lines, `exec ${place?.bin}/emerge "$@"`, ''].join('\n');
  await writeFile(path, text, { mode: 0o755 });
}

/** An ebuild repository named `lab` with the profile `test`. Ebuilds by `category/pn/pf.ebuild`. */
export async function makeOverlay(
  folder: string,
  ebuilds: Readonly<Record<string, string>> = {},
): Promise<void> {
  const categories = [...new Set(Object.keys(ebuilds).map((path) => path.split('/')[0] ?? ''))];
  const files: Record<string, string> = {
    'metadata/layout.conf':
      'masters =\nthin-manifests = true\nsign-manifests = false\nprofile-formats = portage-2\n',
    'profiles/repo_name': 'lab\n',
    'profiles/arch.list': 'amd64\n',
    'profiles/categories': [...categories, 'app-misc', 'virtual']
      .map((name) => `${name}\n`)
      .join(''),
    'profiles/profiles.desc': 'amd64 test stable\n',
    'profiles/test/make.defaults': [
      'ARCH="amd64"',
      'ACCEPT_KEYWORDS="amd64"',
      'CHOST="x86_64-pc-linux-gnu"',
      'USE_EXPAND_IMPLICIT="ARCH ELIBC KERNEL USERLAND"',
      'USE_EXPAND="ELIBC KERNEL"',
      'USE_EXPAND_UNPREFIXED="ARCH"',
      'USE_EXPAND_VALUES_ARCH="amd64"',
      'USE_EXPAND_VALUES_ELIBC="glibc"',
      'USE_EXPAND_VALUES_KERNEL="linux"',
      'ELIBC="glibc"',
      'KERNEL="linux"',
      '',
    ].join('\n'),
    ...ebuilds,
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

async function fill(
  folder: string,
  place: PortagePlace,
  options: {
    readonly overlay: string;
    readonly cflags?: string;
    readonly makeConf?: readonly string[];
  },
): Promise<void> {
  const configuration = join(folder, 'usr/share/portage/config');
  for (const name of ['etc/portage/repos.conf', 'etc/portage/binrepos.conf', 'usr/share/portage']) {
    await mkdir(join(folder, name), { recursive: true });
  }
  for (const name of ['pkgs', 'dist', 'tmp', 'var', 'bin', 'run/lock']) {
    await mkdir(join(folder, name), { recursive: true });
  }
  cpSync(place.configuration, configuration, { recursive: true });
  await rm(join(configuration, 'binrepos.conf'), { force: true });
  await writeFile(join(configuration, 'repos.conf'), '');
  const overlay = realpathSync(options.overlay);
  await rm(join(folder, 'etc/portage/make.profile'), { force: true });
  await symlink(join(overlay, 'profiles/test'), join(folder, 'etc/portage/make.profile'));
  await writeFile(
    join(folder, 'etc/portage/repos.conf/lab.conf'),
    `[DEFAULT]\nmain-repo = lab\n[lab]\nlocation = ${overlay}\n`,
  );
  await writeFile(join(folder, 'etc/portage/make.conf'), makeConf(folder, options));
}

function makeConf(
  folder: string,
  options: { readonly cflags?: string; readonly makeConf?: readonly string[] },
): string {
  const cflags = options.cflags ?? '-O2 -march=x86-64-v2';
  return [
    `PKGDIR="${folder}/pkgs"`,
    `DISTDIR="${folder}/dist"`,
    `PORTAGE_TMPDIR="${folder}/tmp"`,
    'FEATURES="-sandbox -usersandbox -userpriv -userfetch -network-sandbox -ipc-sandbox -pid-sandbox -mount-sandbox -news binpkg-multi-instance"',
    'PORTAGE_USERNAME=root',
    'PORTAGE_GRPNAME=root',
    `CFLAGS="${cflags}"`,
    `CXXFLAGS="${cflags}"`,
    'MAKEOPTS="-j2"',
    ...(options.makeConf ?? []),
    '',
  ].join('\n');
}

function environment(folder: string, place: PortagePlace): Record<string, string> {
  const tools = toolEnvironment();
  return {
    ...tools,
    PATH: [place.bin, tools.PATH].join(delimiter),
    PORTAGE_OVERRIDE_EPREFIX: folder,
    PORTAGE_CONFIGROOT: folder,
    ...(place.pythonPath === undefined ? {} : { PYTHONPATH: place.pythonPath }),
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
