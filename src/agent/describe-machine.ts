import { readFile, statfs } from 'node:fs/promises';
import { arch, availableParallelism, totalmem } from 'node:os';
import { cpuFlagsOf } from '../gentoo/cpuinfo.ts';
import type { Executor } from '../gentoo/profile.ts';
import type { AgentDescriptionMessage } from '../protocol/agents.ts';
import { isErrno } from '../support/errors.ts';
import { run } from '../support/processes.ts';
import { findProgram } from './programs.ts';

/** Architectures that Node names otherwise than a CHOST does. */
const CPUS: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i686' };
const PORTAGE_TIMEOUT_MS = 60_000;
const COMPILER_TIMEOUT_MS = 10_000;

/** What its operator says of an agent. */
export interface AgentRole {
  readonly name: string;
  readonly slots: number;
  readonly labels: readonly string[];
  /** The only profiles that it serves; empty means all. */
  readonly profiles: readonly string[];
  /** Where it builds; it has to be there. */
  readonly workFolder: string;
}

/** What this machine is and can do, in the words that `POST /api/agent/register` takes. */
export async function describeMachine(
  role: AgentRole,
  environment: Readonly<Record<string, string>>,
): Promise<AgentDescriptionMessage> {
  const portageVersion = await findPortageVersion(environment);
  const executors = await findExecutors(environment, portageVersion);
  return {
    name: role.name,
    chost: await findChost(environment, portageVersion !== null),
    cpuFlags: cpuFlagsOf(await readProcessorFile()),
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    portageVersion,
    executors,
    compiler: await findCompiler(environment),
    diskFreeBytes: await diskFree(role.workFolder),
    labels: [...role.labels],
    profiles: [...role.profiles],
    slots: role.slots,
    distccd: null,
  };
}

/** What an ordinary user can still write to the disk that this folder lies on, in bytes. */
export async function diskFree(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** `gcc-14.2.1`, of the compiler that builds without a root of their own use; null when there is none that tells. */
async function findCompiler(environment: Readonly<Record<string, string>>): Promise<string | null> {
  if ((await findProgram('cc', environment)) === undefined) {
    return null;
  }
  const { exitCode, stdout } = await run(['cc', '--version'], {
    env: environment,
    timeoutMs: COMPILER_TIMEOUT_MS,
  });
  return exitCode === 0 ? compilerOf(stdout.toString('utf8')) : null;
}

/** Name and version in what `cc --version` says: `cc (Debian 12.2.0-14) 12.2.0` is `gcc-12.2.0`. */
export function compilerOf(said: string): string | null {
  const [first = ''] = said.split('\n');
  const clang = /\bclang version (\d+(?:\.\d+)*)/.exec(first)?.[1];
  if (clang !== undefined) {
    return `clang-${clang}`;
  }
  const gcc = /\) (\d+(?:\.\d+)*)(?: |$)/.exec(first)?.[1];
  return gcc !== undefined && said.includes('Free Software Foundation') ? `gcc-${gcc}` : null;
}

async function findExecutors(
  environment: Readonly<Record<string, string>>,
  portageVersion: string | null,
): Promise<Executor[]> {
  const has = async (program: string): Promise<boolean> =>
    (await findProgram(program, environment)) !== undefined;
  const canBuildSources = (await has('sh')) && (await has('cc')) && (await has('tar'));
  const canUsePortage = portageVersion !== null && (await has('python3')) && (await has('flock'));
  return [
    ...(canUsePortage ? (['portage'] as const) : []),
    ...(canBuildSources ? (['source'] as const) : []),
  ];
}

async function findPortageVersion(
  environment: Readonly<Record<string, string>>,
): Promise<string | null> {
  if ((await findProgram('emerge', environment)) === undefined) {
    return null;
  }
  const { stdout } = await run(['emerge', '--version'], {
    env: environment,
    timeoutMs: PORTAGE_TIMEOUT_MS,
  });
  return /^Portage (\S+)/m.exec(stdout.toString('utf8'))?.[1] ?? null;
}

async function findChost(
  environment: Readonly<Record<string, string>>,
  hasPortage: boolean,
): Promise<string> {
  const commands = [
    ...(hasPortage ? [['portageq', 'envvar', 'CHOST']] : []),
    ['cc', '-dumpmachine'],
  ];
  for (const command of commands) {
    const [program = ''] = command;
    if ((await findProgram(program, environment)) !== undefined) {
      const result = await run(command, { env: environment, timeoutMs: PORTAGE_TIMEOUT_MS });
      const said = result.stdout.toString('utf8').trim();
      if (result.exitCode === 0 && /^[\w.+-]+$/.test(said)) {
        return said;
      }
    }
  }
  return `${CPUS[arch()] ?? arch()}-unknown-linux-gnu`;
}

async function readProcessorFile(): Promise<string> {
  try {
    return await readFile('/proc/cpuinfo', 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return '';
    }
    throw error;
  }
}
