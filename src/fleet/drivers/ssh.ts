import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../support/errors.ts';
import { run, toolEnvironment } from '../../support/processes.ts';
import { makeSocketFolder } from './socket-folder.ts';

/** How OpenSSH is called. No agent, no file of the user's home unless it is named here. */
export interface SshSettings {
  /** File with the private key; null: those of the user that the server runs as. */
  readonly identityFile: string | null;
  /** File with the keys of all hosts: one that is not in there is not spoken to. */
  readonly knownHostsFile: string;
  /** More settings, as in ssh_config(5); null: none. */
  readonly configFile: string | null;
  readonly connectTimeoutSeconds: number;
  /** How long a connection is kept for the next call, seconds. */
  readonly keepSeconds: number;
}

export interface SshTarget {
  readonly host: string;
  readonly port: number;
  /** Null: that of the settings, or who the server runs as. */
  readonly user: string | null;
}

/** Shares connections to hosts: one for all that is asked of a host within the time that it is kept. */
export class SshConnections {
  readonly #settings: SshSettings;
  readonly #hosts = new Map<string, SshTarget>();
  #folder: Promise<string> | undefined;

  constructor(settings: SshSettings) {
    this.#settings = settings;
  }

  /** The whole command for a program on a host. `remote` are plain words; see `checkPlain`. */
  async command(target: SshTarget, remote: readonly string[]): Promise<string[]> {
    this.#hosts.set(`${target.user}@${target.host}:${target.port}`, target);
    const shared = [
      '-o',
      'ControlMaster=auto',
      '-o',
      `ControlPersist=${this.#settings.keepSeconds}`,
    ];
    const options = [...this.options(), ...(await this.#control()), ...shared];
    return ['ssh', '-T', ...options, ...destination(target), ...remote.map(checkPlain)];
  }

  /** What holds for every call. */
  options(): string[] {
    const { identityFile, knownHostsFile, configFile, connectTimeoutSeconds } = this.#settings;
    const options = {
      BatchMode: 'yes',
      ConnectTimeout: String(connectTimeoutSeconds),
      GlobalKnownHostsFile: '/dev/null',
      LogLevel: 'ERROR',
      ServerAliveCountMax: '3',
      ServerAliveInterval: '5',
      StrictHostKeyChecking: 'yes',
      UpdateHostKeys: 'no',
      UserKnownHostsFile: knownHostsFile,
    };
    return [
      '-F',
      configFile ?? 'none',
      ...(identityFile === null ? [] : ['-i', identityFile, '-o', 'IdentitiesOnly=yes']),
      ...Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]),
    ];
  }

  async close(): Promise<void> {
    if (this.#folder === undefined) {
      return;
    }
    const control = await this.#control();
    const hosts = [...this.#hosts.values()];
    this.#hosts.clear();
    await Promise.all(
      hosts.map(async (target) => {
        const command = [
          'ssh',
          ...this.options(),
          ...control,
          '-O',
          'exit',
          ...destination(target),
        ];
        await run(command, { env: toolEnvironment(), timeoutMs: 5000 });
      }),
    );
    await rm(await this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }

  async #control(): Promise<string[]> {
    this.#folder ??= makeSocketFolder();
    return ['-o', `ControlPath=${join(await this.#folder, '%C')}`];
  }
}

export function destination({ host, port, user }: SshTarget): string[] {
  return ['-p', String(port), ...(user === null ? [] : ['-l', user]), '--', host];
}

/** ssh joins words for a shell over there: only those that no shell changes may be among them. */
export function checkPlain(word: string): string {
  if (!/^[A-Za-z0-9._/+@,=%:-]+$/.test(word)) {
    throw new AppError(
      'command-not-plain',
      `The word ${JSON.stringify(word)} of a command for nodes has other characters than letters, digits and . _ / + @ , = % : -`,
      { details: { word } },
    );
  }
  return word;
}
