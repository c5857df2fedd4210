import { appendFile, chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import {
  ended,
  killGroup,
  run,
  runChecked,
  spawnGroup,
  toolEnvironment,
} from '../../src/support/processes.ts';
import { poll } from './poll.ts';
import { freePort } from './rookery-process.ts';

export interface Sshd {
  readonly host: string;
  readonly port: number;
  /** Who may log in, with `identityFile`. */
  readonly user: string;
  readonly identityFile: string;
  /** Has the key of this host. */
  readonly knownHostsFile: string;
  /** What it has said so far. */
  said(): Promise<string>;
  stop(): Promise<void>;
}

/** For the name of a suite: why it is skipped; undefined where sshd and ssh are installed. */
export async function sshdIsMissing(): Promise<string | undefined> {
  const found = await run(['sh', '-c', 'PATH=$PATH:/usr/sbin; command -v sshd && command -v ssh'], {
    env: toolEnvironment(),
  });
  return found.exitCode === 0 ? undefined : 'no sshd';
}

/** A key of a client in `folder`, made once. */
export async function makeIdentity(folder: string): Promise<string> {
  const file = join(folder, 'identity');
  await mkdir(folder, { recursive: true });
  await makeKey(file);
  return file;
}

async function makeKey(file: string): Promise<void> {
  const { exitCode } = await run(['test', '-f', file], { env: toolEnvironment() });
  if (exitCode !== 0) {
    await runChecked(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', file], {
      env: toolEnvironment(),
    });
  }
}

/**
 * A real sshd on an address of 127/8 with a host key of its own, which the current user may log in to.
 *
 * @param options.folder - its own; the host key stays there, so that a second start is the same host
 * @param options.identityFile - of `makeIdentity`
 * @param options.knownHostsFile - its host key is added there
 * @param options.lines - more lines for sshd_config
 */
export async function startSshd(options: {
  readonly folder: string;
  readonly identityFile: string;
  readonly knownHostsFile: string;
  readonly host?: string;
  readonly port?: number;
  readonly lines?: readonly string[];
}): Promise<Sshd> {
  const { folder, identityFile, knownHostsFile, host = '127.0.0.1' } = options;
  const port = options.port ?? (await freePort());
  await mkdir(folder, { recursive: true });
  const hostKey = join(folder, 'host-key');
  await makeKey(hostKey);
  await chmod(hostKey, 0o600);
  await writeFile(join(folder, 'authorized'), await readFile(`${identityFile}.pub`, 'utf8'));
  const [kind, key] = (await readFile(`${hostKey}.pub`, 'utf8')).split(' ');
  await appendFile(knownHostsFile, `[${host}]:${port} ${kind} ${key}\n`);
  await writeFile(join(folder, 'sshd_config'), configuration({ ...options, host, port, folder }));
  if (process.getuid?.() === 0) {
    await mkdir('/run/sshd', { recursive: true });
  }
  const log = join(folder, 'log');
  const command = [await pathOfSshd(), '-D', '-f', join(folder, 'sshd_config'), '-E', log];
  const child = spawnGroup(command, { env: toolEnvironment() }, 'ignore');
  const ending = ended(child, command);
  const stop = async (): Promise<void> => {
    killGroup(child, 'SIGKILL');
    await ending;
  };
  await poll('sshd to listen', async () => await listens(host, port));
  const { stdout } = await runChecked(['id', '-un'], { env: toolEnvironment() });
  const user = stdout.toString().trim();
  return {
    host,
    port,
    user,
    identityFile,
    knownHostsFile,
    stop,
    said: async () => await readFile(log, 'utf8'),
  };
}

function configuration(options: {
  readonly host: string;
  readonly port: number;
  readonly folder: string;
  readonly lines?: readonly string[];
}): string {
  return [
    `ListenAddress ${options.host}:${options.port}`,
    `HostKey ${join(options.folder, 'host-key')}`,
    `AuthorizedKeysFile ${join(options.folder, 'authorized')}`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PrintMotd no',
    'MaxStartups 200',
    'MaxSessions 100',
    ...(options.lines ?? []),
    '',
  ].join('\n');
}

async function pathOfSshd(): Promise<string> {
  const { stdout } = await runChecked(['sh', '-c', 'PATH=$PATH:/usr/sbin; command -v sshd'], {
    env: toolEnvironment(),
  });
  return stdout.toString().trim();
}

async function listens(host: string, port: number): Promise<true | undefined> {
  return await new Promise((done) => {
    const socket = connect({ host, port });
    socket.once('data', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => {
      done(undefined);
    });
  });
}
