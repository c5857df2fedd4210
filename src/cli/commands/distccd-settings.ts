import { isIPv4 } from 'node:net';
import type { Command } from 'commander';
import { COMPILE_HOST } from '../../gentoo/compile-sharing.ts';
import { AppError } from '../../support/errors.ts';
import { parseCount } from '../command-context.ts';

export interface DistccdOptions {
  readonly distccd?: string;
  readonly distccdPort: number;
  readonly distccdHost?: string;
  readonly distccdAllow?: readonly string[];
  readonly distccdJobs?: number;
}

/** What the agent's distccd is told. */
export interface DistccdSettings {
  readonly listen: string;
  readonly port: number;
  readonly host?: string;
  readonly allow: readonly string[];
  readonly jobs?: number;
}

const DISTCCD_PORT = 3632;
const MAX_PORT = 65_535;
const EVERY_ADDRESS = '0.0.0.0';

export function addDistccdOptions(command: Command): Command {
  return command
    .option('--distccd <address>', 'compile for other agents, listening on this IPv4 address')
    .option('--distccd-port <n>', 'port of distccd', parseCount, DISTCCD_PORT)
    .option('--distccd-host <name>', 'how other agents call this machine, if not by that address')
    .option(
      '--distccd-allow <network>',
      'address or network that may use distccd, such as 10.1.0.0/16 (may be repeated)',
      (network: string, before: readonly string[] | undefined) => [...(before ?? []), network],
    )
    .option('--distccd-jobs <n>', 'files that distccd compiles at once', parseCount);
}

/** Undefined when the agent compiles for nobody else. Throws `distccd-setting-invalid`. */
export function distccdSettings(options: DistccdOptions): DistccdSettings | undefined {
  const { distccd: listen, distccdPort, distccdHost, distccdAllow = [], distccdJobs } = options;
  if (listen === undefined) {
    return undefined;
  }
  const [fault] = faultsIn(listen, options);
  if (fault !== undefined) {
    throw new AppError('distccd-setting-invalid', fault);
  }
  return {
    listen,
    port: distccdPort,
    allow: distccdAllow,
    ...(distccdHost !== undefined && { host: distccdHost }),
    ...(distccdJobs !== undefined && { jobs: distccdJobs }),
  };
}

function faultsIn(
  listen: string,
  { distccdPort: port, distccdAllow: allow = [], distccdHost: host }: DistccdOptions,
): string[] {
  const faults = isIPv4(listen) ? [] : [`--distccd ${listen} is not an IPv4 address.`];
  if (port > MAX_PORT) {
    faults.push(`--distccd-port ${port} is no port: the highest is ${MAX_PORT}.`);
  }
  if (allow.length === 0) {
    faults.push(
      'Who may use distccd has to be named with --distccd-allow: nothing else protects it.',
    );
  }
  for (const network of allow.filter((text) => !isNetwork(text))) {
    faults.push(
      `--distccd-allow ${network} is neither an IPv4 address nor a network such as 10.1.0.0/16.`,
    );
  }
  if (host === undefined && listen === EVERY_ADDRESS) {
    faults.push(
      `With --distccd ${EVERY_ADDRESS}, --distccd-host has to say how others call this machine.`,
    );
  }
  if (host !== undefined && !COMPILE_HOST.test(host)) {
    faults.push(`--distccd-host ${host} is neither an IPv4 address nor the name of a host.`);
  }
  return faults;
}

/** `10.1.2.3` or `10.1.0.0/16`; everybody (`/0`) is no network here. */
function isNetwork(text: string): boolean {
  const [address = '', bits = '32', ...rest] = text.split('/');
  return rest.length === 0 && isIPv4(address) && /^(?:[1-9]|[12][0-9]|3[0-2])$/.test(bits);
}
