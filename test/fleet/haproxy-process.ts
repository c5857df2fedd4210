import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import {
  ended,
  killGroup,
  runChecked,
  spawnGroup,
  toolEnvironment,
} from '../../src/support/processes.ts';
import { poll } from '../support/poll.ts';

/** A real HAProxy with a configuration that `haproxy -c` takes without a warning, and its runtime socket. */
export class HaproxyProcess {
  readonly #folder: string;
  readonly #socket: string;
  /** Processes that were reloaded away. */
  readonly #old: { child: ReturnType<typeof spawnGroup>; ending: Promise<number> }[] = [];
  #child: ReturnType<typeof spawnGroup>;
  #ending: Promise<number>;

  private constructor(folder: string, socket: string) {
    this.#folder = folder;
    this.#socket = socket;
    [this.#child, this.#ending] = this.#spawn([]);
  }

  /**
   * Writes the configuration, checks it and starts it; `socket` (a path, or tcp://127.0.0.1:PORT) and `stateFile` are those that it
   * names.
   */
  static async start(options: {
    readonly folder: string;
    readonly configuration: string;
    readonly socket: string;
    readonly stateFile: string;
  }): Promise<HaproxyProcess> {
    const { folder, configuration, socket, stateFile } = options;
    writeFileSync(stateFile, '1\n');
    await configure(folder, configuration);
    const haproxy = new HaproxyProcess(folder, socket);
    await haproxy.#ready();
    return haproxy;
  }

  #spawn(more: readonly string[]): [ReturnType<typeof spawnGroup>, Promise<number>] {
    const command = ['haproxy', '-db', '-q', '-f', join(this.#folder, 'haproxy.cfg'), ...more];
    const child = spawnGroup(command, { env: toolEnvironment() }, 'ignore');
    return [child, ended(child, command)];
  }

  async #ready(): Promise<void> {
    let status: number | undefined;
    const watch = async (ending: Promise<number>): Promise<void> => {
      status = await ending;
    };
    void watch(this.#ending);
    await poll('HAProxy to answer at its socket', async () => {
      if (status !== undefined) {
        throw new Error(`HAProxy ended with ${status}`);
      }
      const said = await this.tell('show info').catch(() => '');
      return said.includes(`\nPid: ${this.#child.pid}\n`) ? true : undefined;
    });
  }

  /** One command line, or several apart by `;`. Returns what it says. */
  async tell(line: string): Promise<string> {
    return await new Promise((done, fail) => {
      const [, port] = /^tcp:.*:(\d+)$/.exec(this.#socket) ?? [];
      const connection =
        port === undefined ? connect(this.#socket) : connect(Number(port), '127.0.0.1');
      let said = '';
      connection.setEncoding('utf8');
      connection.on('data', (text: string) => {
        said += text;
      });
      connection.on('error', fail);
      connection.on('close', () => {
        done(said);
      });
      connection.write(`${line}\n`);
    });
  }

  /** `UP`, `DOWN`, `MAINT`, `DRAIN`, ... of a server. */
  async status(backend: string, server: string): Promise<string> {
    return (await this.#statistic('status', backend, server)) ?? 'unknown';
  }

  async #statistic(name: string, backend: string, server: string): Promise<string | undefined> {
    const rows = (await this.tell('show stat')).split('\n').map((row) => row.split(','));
    const at = rows[0]?.indexOf(name) ?? -1;
    return rows.find(([one, two]) => one === backend && two === server)?.[at];
  }

  /** Until no request is under way to a server. */
  async untilIdle(backend: string, server: string): Promise<void> {
    await poll(`${backend}/${server} to have no requests`, async () =>
      (await this.#statistic('scur', backend, server)) === '0' ? true : undefined,
    );
  }

  async until(backend: string, server: string, status: string): Promise<void> {
    await poll(`${backend}/${server} to be ${status}`, async () =>
      (await this.status(backend, server)).startsWith(status) ? true : undefined,
    );
  }

  /**
   * As its documentation says: state saved first, listeners handed over, the old process ends its requests. With another configuration
   * when one is given.
   */
  async reload(stateFile: string | null, configuration?: string): Promise<void> {
    if (configuration !== undefined) {
      await configure(this.#folder, configuration);
    }
    if (stateFile !== null) {
      writeFileSync(stateFile, await this.tell('show servers state'));
    }
    const [old, ending] = [this.#child, this.#ending];
    [this.#child, this.#ending] = this.#spawn([
      '-sf',
      String(old.pid),
      ...(this.#socket.startsWith('/') ? ['-x', this.#socket] : []),
    ]);
    await this.#ready();
    this.#old.push({ child: old, ending });
  }

  async stop(): Promise<void> {
    const all = [...this.#old, { child: this.#child, ending: this.#ending }];
    for (const { child } of all) {
      killGroup(child, 'SIGKILL');
    }
    await Promise.all(all.map(async ({ ending }) => await ending));
  }
}

async function configure(folder: string, configuration: string): Promise<void> {
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, configuration);
  const { stderr, stdout } = await runChecked(['haproxy', '-c', '-f', file], {
    env: toolEnvironment(),
  });
  const said = stdout.toString() + stderr;
  if (/WARNING|ALERT/.test(said)) {
    throw new Error(`haproxy -c is not content: ${said}`);
  }
}
