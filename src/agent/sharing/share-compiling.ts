import { mkdir, realpath, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { withJobs } from '../../gentoo/make-options.ts';
import type { CompileHost, LeaseMessage } from '../../protocol/agents.ts';
import { exists } from '../../support/files.ts';
import type { JobLog } from '../job-log.ts';
import { findProgram } from '../programs.ts';
import type { CcacheRelay } from './ccache-relay.ts';

const MIB = 1024 * 1024;
const MOST_JOBS = 512;
/** The relay is on this machine, and the server behind it may be busy. */
const CCACHE_HTTP = 'layout=subdirs|connect-timeout=1000|operation-timeout=30000';

/** What the agent has for builds that share their compiling. */
export interface SharingParts {
  readonly relay: CcacheRelay;
  /** For the local ccache of each profile; stays from job to job. */
  readonly folder: string;
}

/** How one build shares its compiling. Nothing is set when it does not. */
export interface SharedCompiling {
  readonly uses: readonly ('distcc' | 'ccache')[];
  /** DISTCC_* and CCACHE_*, with paths as the build sees them. */
  readonly variables: Readonly<Record<string, string>>;
  /** MAKEOPTS for that many processors; undefined when it stays what it is. */
  readonly makeopts?: string;
  /** Whether the build has to reach this machine's own address. */
  readonly needsNetwork: boolean;
  readonly close: () => void;
}

export const COMPILES_ALONE: SharedCompiling = {
  uses: [],
  variables: {},
  needsNetwork: false,
  close: () => undefined,
};

export interface SharingPlace {
  readonly lease: LeaseMessage;
  readonly cores: number;
  readonly log: JobLog;
  readonly parts: SharingParts;
  /** The job's folder and the one for its local ccache, as this process sees them. */
  readonly folder: string;
  readonly cacheFolder: string;
  readonly inside: (path: string) => string;
  /** Whether the build would find the program, and what else it takes to use it. */
  readonly isUsable: (program: 'distcc' | 'ccache') => Promise<boolean>;
}

/**
 * Prepares what the lease says about distcc and ccache for one build. What is not installed where it builds is left
 * out, with a line in the log. `close` ends the build's way to the shared ccache.
 */
export async function shareCompiling(place: SharingPlace): Promise<SharedCompiling> {
  const uses = await usable(place);
  const distcc = uses.includes('distcc') ? await distccSettings(place) : undefined;
  const ccache = uses.includes('ccache') ? await ccacheSettings(place) : undefined;
  return {
    uses,
    variables: { ...distcc?.variables, ...ccache?.variables },
    ...(distcc !== undefined && { makeopts: distcc.makeopts }),
    needsNetwork: ccache !== undefined,
    close: ccache?.close ?? (() => undefined),
  };
}

async function usable({ lease, log, isUsable }: SharingPlace): Promise<SharedCompiling['uses']> {
  const { compileHosts = [], ccachePath } = lease;
  if (lease.compileHosts?.length === 0) {
    log.note('distcc: no other live agent with a distccd has this CHOST and compiler.');
  }
  const uses: ('distcc' | 'ccache')[] = [];
  for (const [program, isWanted] of [
    ['distcc', compileHosts.length > 0],
    ['ccache', ccachePath !== undefined],
  ] as const) {
    if (isWanted && (await isUsable(program))) {
      uses.push(program);
    } else if (isWanted) {
      log.note(`${program} is on for this profile, but it is not installed where it builds.`);
    }
  }
  return uses;
}

async function distccSettings({ lease, cores, log, folder, inside }: SharingPlace) {
  const hosts = lease.compileHosts ?? [];
  const own = join(folder, 'distcc');
  await mkdir(own);
  const variables = { DISTCC_HOSTS: distccHosts(cores, hosts), DISTCC_DIR: inside(own) };
  const jobs = hosts.reduce((sum, host) => sum + host.jobs, cores);
  const makeopts = withJobs(lease.profile.makeopts, Math.min(MOST_JOBS, jobs));
  log.note(`distcc: ${hosts.map(({ agent }) => agent).join(', ')}; ${makeopts}.`);
  return { variables, makeopts };
}

/** This machine first, then the others, each with as many files at once as it has processors (distcc(1), "HOST SPECIFICATIONS"). */
export function distccHosts(cores: number, hosts: readonly CompileHost[]): string {
  const others = hosts.map(({ host, port, jobs }) => `${host}:${port}/${jobs},lzo`);
  const own = [`--localslots=${cores}`, `--localslots_cpp=${2 * cores}`, `localhost/${cores}`];
  return [...own, ...others].join(' ');
}

/**
 * Builders find each other's entries although the folders of their jobs have other names (CCACHE_BASEDIR,
 * CCACHE_NOHASHDIR), and only when their compilers say the same of themselves: the time of the compiler's file, which
 * ccache looks at otherwise, is another on each machine, and behind a wrapper it is that of the wrapper.
 */
async function ccacheSettings({ lease, parts, folder, cacheFolder, inside }: SharingPlace) {
  await mkdir(cacheFolder, { recursive: true });
  const { url, close } = parts.relay.open(lease.ccachePath ?? '');
  const bytes = lease.profile.compileSharing?.ccacheBytes ?? null;
  const variables = {
    CCACHE_DIR: inside(cacheFolder),
    CCACHE_REMOTE_STORAGE: `${url}|${CCACHE_HTTP}`,
    CCACHE_COMPILERCHECK: '%compiler% -v',
    CCACHE_BASEDIR: inside(folder),
    CCACHE_NOHASHDIR: '1',
    ...(bytes !== null && { CCACHE_MAXSIZE: `${Math.ceil(bytes / MIB)}M` }),
  };
  return { variables, close };
}

/**
 * Makes a folder of links that has to be first on PATH: compilers by these names go through ccache, or distcc, or
 * ccache and then distcc. Names that are no program on PATH are left out.
 */
export async function makeWrappers(
  shared: SharedCompiling,
  options: {
    readonly folder: string;
    readonly compilers: readonly string[];
    readonly environment: Readonly<Record<string, string>>;
  },
): Promise<Record<string, string>> {
  const { folder, compilers, environment } = options;
  const [first] = shared.uses.toSorted();
  const program = first === undefined ? undefined : await findProgram(first, environment);
  if (program === undefined) {
    return {};
  }
  await mkdir(folder);
  const target = await realpath(program);
  const names = new Set(['cc', 'c++', 'gcc', 'g++', ...compilers.map((one) => basename(one))]);
  for (const name of names) {
    if ((await findProgram(name, environment)) !== undefined) {
      await symlink(target, join(folder, name));
    }
  }
  return {
    PATH: `${folder}:${environment.PATH ?? ''}`,
    ...(shared.uses.length > 1 && { CCACHE_PREFIX: 'distcc' }),
  };
}

/** Whether the root has the program and the folder of links that Portage puts on PATH for it (doebuild.py). */
export async function isUsableByPortage(
  root: { readonly eroot: string },
  program: 'distcc' | 'ccache',
): Promise<boolean> {
  for (const folder of ['lib64', 'lib', 'libexec']) {
    if (await exists(join(root.eroot, 'usr', folder, program))) {
      return true;
    }
  }
  return false;
}
