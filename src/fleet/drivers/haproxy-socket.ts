import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../../support/clock.ts';
import { AppError, messageOf } from '../../support/errors.ts';
import { exists } from '../../support/files.ts';
import { ended, killGroup, spawnGroup, toolEnvironment } from '../../support/processes.ts';
import { callSocket } from './line-call.ts';
import { makeSocketFolder } from './socket-folder.ts';
import {
  checkPlain,
  destination,
  SshConnections,
  type SshSettings,
  type SshTarget,
} from './ssh.ts';

export type SocketAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'ssh'; readonly target: SshTarget; readonly path: string };

/** Its name is short: a socket's path has at most 107 bytes. */
const SOCKET = 's';
const MAX_BYTES = 32 * 1024 * 1024;

/** Reads `tcp://HOST:PORT` and `ssh://[USER@]HOST[:PORT]/path/of/socket`. Throws `socket-address-invalid`. */
export function parseSocketAddress(text: string): SocketAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const host = url?.hostname.replace(/^\[(.*)\]$/, '$1') ?? '';
  const address = url === undefined || host === '' ? undefined : addressOf(url, host);
  if (address === undefined) {
    throw new AppError(
      'socket-address-invalid',
      `The address of a balancer's socket ${JSON.stringify(text)} is neither tcp://HOST:PORT nor ssh://[USER@]HOST[:PORT]/path.`,
    );
  }
  return address;
}

function addressOf(url: URL, host: string): SocketAddress | undefined {
  if (url.protocol === 'tcp:' && url.port !== '' && url.pathname === '') {
    return { kind: 'tcp', host, port: Number(url.port) };
  }
  if (url.protocol !== 'ssh:' || !/^\/[^:]+$/.test(url.pathname)) {
    return undefined;
  }
  const target = {
    host,
    port: url.port === '' ? 22 : Number(url.port),
    user: url.username === '' ? null : decodeURIComponent(url.username),
  };
  return { kind: 'ssh', target, path: checkPlain(decodeURIComponent(url.pathname)) };
}

/** Asks sockets of HAProxy: straight over TCP, or a Unix socket on another host through a tunnel of ssh that is kept. */
export class HaproxySockets {
  readonly #ssh: SshConnections;
  readonly #timeoutMs: number;
  readonly #tunnels = new Map<string, Promise<Tunnel>>();

  constructor(settings: SshSettings, timeoutMs: number) {
    this.#ssh = new SshConnections(settings);
    this.#timeoutMs = timeoutMs;
  }

  /** Rejects with an Error whose message says why there is no answer. */
  async ask(address: string, command: string): Promise<string> {
    const parsed = parseSocketAddress(address);
    const options = { timeoutMs: this.#timeoutMs, maxBytes: MAX_BYTES };
    if (parsed.kind === 'tcp') {
      return await callSocket({ host: parsed.host, port: parsed.port }, `${command}\n`, options);
    }
    const tunnel = await this.#tunnelTo(address, parsed);
    const said = await callSocket({ path: tunnel.path }, `${command}\n`, options);
    if (said === '') {
      throw new Error(tunnel.said() || `nobody answers at ${parsed.path}`);
    }
    return said;
  }

  async close(): Promise<void> {
    const tunnels = [...this.#tunnels.values()];
    this.#tunnels.clear();
    for (const result of await Promise.allSettled(tunnels)) {
      if (result.status === 'fulfilled') {
        await result.value.close();
      }
    }
  }

  async #tunnelTo(
    address: string,
    { target, path }: Extract<SocketAddress, { kind: 'ssh' }>,
  ): Promise<Tunnel> {
    const known = this.#tunnels.get(address);
    if (known !== undefined) {
      return await known;
    }
    const opened = Tunnel.open([...this.#ssh.options(), ...destination(target)], path, {
      timeoutMs: this.#timeoutMs,
      onEnd: () => {
        this.#tunnels.delete(address);
      },
    });
    this.#tunnels.set(address, opened);
    try {
      return await opened;
    } catch (error) {
      this.#tunnels.delete(address);
      throw error;
    }
  }
}

/** `ssh -N -L`: a socket here that leads to a socket over there. Nothing runs over there but sshd. */
class Tunnel {
  readonly path: string;
  readonly #child: ReturnType<typeof spawnGroup>;
  readonly #folder: string;
  readonly #ended: Promise<void>;
  #hasEnded = false;
  #stderr = '';

  private constructor(command: readonly string[], folder: string, onEnd: () => void) {
    this.path = join(folder, SOCKET);
    this.#folder = folder;
    this.#child = spawnGroup(command, { env: toolEnvironment() }, ['ignore', 'ignore', 'pipe']);
    this.#child.stderr?.on('data', (piece: Buffer) => {
      this.#stderr = (this.#stderr + piece.toString('utf8')).slice(-2000);
    });
    this.#ended = this.#watch(command, onEnd);
  }

  static async open(
    where: readonly string[],
    remote: string,
    options: { readonly timeoutMs: number; readonly onEnd: () => void },
  ): Promise<Tunnel> {
    const folder = await makeSocketFolder();
    const forward = [
      '-N',
      '-o',
      'ExitOnForwardFailure=yes',
      '-L',
      `${join(folder, SOCKET)}:${remote}`,
    ];
    const tunnel = new Tunnel(['ssh', ...forward, ...where], folder, options.onEnd);
    for (const deadline = Date.now() + options.timeoutMs; !(await exists(tunnel.path)); ) {
      if (tunnel.#hasEnded || Date.now() > deadline) {
        await tunnel.close();
        throw new Error(tunnel.said() || `ssh made no tunnel within ${options.timeoutMs} ms`);
      }
      await sleep(20);
    }
    return tunnel;
  }

  /** The last that ssh has said. */
  said(): string {
    return this.#stderr.trim().split('\n').at(-1) ?? '';
  }

  async close(): Promise<void> {
    killGroup(this.#child, 'SIGTERM');
    await this.#ended;
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #watch(command: readonly string[], onEnd: () => void): Promise<void> {
    try {
      await ended(this.#child, command);
    } catch (error) {
      this.#stderr = messageOf(error);
    }
    this.#hasEnded = true;
    onEnd();
  }
}
