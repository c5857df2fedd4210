import { closeSync, openSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { sleep } from '../../src/support/clock.ts';
import { ended, killGroup, spawnGroup } from '../../src/support/processes.ts';
import { poll } from './poll.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
export const MAIN = join(PROJECT, 'dist/main.js');

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  return await new Promise((done, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        done(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  });
}

/** These tests run what `npm run build` made; they refuse to judge a build that is older than the sources. */
export async function requireFreshBuild(): Promise<void> {
  const built = (await stat(MAIN)).mtimeMs;
  const names = await readdir(join(PROJECT, 'src'), { recursive: true });
  for (const name of names.filter((file) => file.endsWith('.ts'))) {
    if ((await stat(join(PROJECT, 'src', name))).mtimeMs > built) {
      throw new Error(`src/${name} is newer than dist: run "npm run build" first`);
    }
  }
}

interface ProgramOptions {
  readonly cwd: string;
  readonly logFile: string;
  readonly env?: Record<string, string>;
  /** A command that the program is started with, and that becomes it (`exec`). */
  readonly within?: readonly string[];
}

/** A program of the project in a process group of its own, its output in a file. */
export class Program {
  readonly #args: readonly string[];
  readonly #options: ProgramOptions;
  #child: ReturnType<typeof spawnGroup> | undefined;
  #ended: Promise<number> | undefined;

  constructor(args: readonly string[], options: ProgramOptions) {
    this.#args = args;
    this.#options = options;
  }

  start(): void {
    const log = openSync(this.#options.logFile, 'a');
    const { within = [] } = this.#options;
    const command = [...within, process.execPath, MAIN, ...this.#args];
    const env = { PATH: process.env['PATH'] ?? '', ...this.#options.env };
    this.#child = spawnGroup(command, { cwd: this.#options.cwd, env }, ['ignore', log, log]);
    closeSync(log);
    this.#ended = ended(this.#child, command);
  }

  /** SIGKILL for the whole group; resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.#child !== undefined) {
      killGroup(this.#child, 'SIGKILL');
      await this.#ended;
      this.#child = undefined;
    }
  }

  /** SIGTERM; the exit code. Killed, and an error, if it takes longer than 20 s. */
  async stop(): Promise<number> {
    const child = this.#child;
    const ending = this.#ended;
    if (child === undefined || ending === undefined) {
      return 0;
    }
    this.#child = undefined;
    killGroup(child, 'SIGTERM');
    const giveUp = new AbortController();
    const code = await Promise.race([ending, sleep(20_000, giveUp.signal)]);
    giveUp.abort();
    if (code === undefined) {
      killGroup(child, 'SIGKILL');
      throw new Error(`${this.#args.join(' ')} did not stop:\n${await this.log()}`);
    }
    return code;
  }

  async log(): Promise<string> {
    return await readFile(this.#options.logFile, 'utf8');
  }
}

interface AgentPlace {
  readonly url?: string;
  readonly within?: readonly string[];
}

/** A server and its folders. */
export class TestServer {
  readonly url: string;
  readonly folder: string;
  readonly program: Program;

  private constructor(folder: string, url: string, name: string) {
    this.folder = folder;
    this.url = url;
    this.program = new Program(['serve', '--config', join(folder, `${name}.toml`)], {
      cwd: folder,
      logFile: join(folder, `${name}.log`),
    });
  }

  /** Several of different names share the folders. `host`: the address that it listens at. */
  static async create(
    folder: string,
    settings = '',
    name = 'server',
    host = '127.0.0.1',
  ): Promise<TestServer> {
    await requireFreshBuild();
    await mkdir(join(folder, 'profiles'), { recursive: true });
    const port = await freePort();
    await writeFile(
      join(folder, `${name}.toml`),
      [
        '[http]',
        `host = "${host}"`,
        `port = ${port}`,
        '[paths]',
        'state = "state"',
        'mirror-root = "mirror-root"',
        'profiles = "profiles"',
        settings,
        '',
      ].join('\n'),
    );
    return new TestServer(folder, `http://${host}:${port}`, name);
  }

  /** Starts it and waits until it is ready, as long as `poll` does. Returns how long that took, in ms. */
  async start(waitMs?: number): Promise<number> {
    const began = performance.now();
    this.program.start();
    try {
      await poll('the server to be ready', async () => await this.isReady(), waitMs);
    } catch (error) {
      throw new Error(`the server did not start:\n${await this.program.log()}`, { cause: error });
    }
    return performance.now() - began;
  }

  async token(role: 'admin' | 'builder'): Promise<string> {
    return (await readFile(join(this.folder, 'state/tokens', `${role}.token`), 'utf8')).trim();
  }

  /**
   * Its work is in the folder `work-<name>`. `url` is where it finds the server, when that is not the server itself;
   * `within` stands before its command.
   */
  agent(name: string, { url = this.url, within = [] }: AgentPlace = {}): Program {
    const work = join(this.folder, `work-${name}`);
    return new Program(
      [
        'agent',
        '--server',
        url,
        '--token-file',
        join(this.folder, 'state/tokens/builder.token'),
        '--name',
        name,
        '--work',
        work,
      ],
      { cwd: this.folder, logFile: join(this.folder, `agent-${name}.log`), within },
    );
  }

  async call(
    method: string,
    path: string,
    body?: unknown,
    role: 'admin' | 'builder' = 'admin',
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${await this.token(role)}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const parsed: unknown = text === '' ? undefined : JSON.parse(text);
    return { status: response.status, body: parsed };
  }

  private async isReady(): Promise<true | undefined> {
    try {
      const response = await fetch(`${this.url}/readyz`);
      await response.arrayBuffer();
      return response.ok ? true : undefined;
    } catch {
      return undefined;
    }
  }
}
