import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import {
  ended,
  killGroup,
  run,
  runChecked,
  spawnGroup,
  toolEnvironment,
} from '../../src/support/processes.ts';
import { poll } from './poll.ts';

const DEBIAN = '/usr/lib/postgresql';

/** The folder with `initdb` and `postgres`, or undefined where they are not installed. */
export async function findPostgresql(): Promise<string | undefined> {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).toSorted() : [];
  const debian = versions.map((name) => join(DEBIAN, name, 'bin'));
  const found = debian.findLast((folder) => existsSync(join(folder, 'initdb')));
  if (found !== undefined) {
    return found;
  }
  const env = toolEnvironment();
  const { exitCode, stdout } = await run(['sh', '-c', 'dirname "$(command -v initdb)"'], { env });
  return exitCode === 0 && stdout.length > 2 ? stdout.toString('utf8').trim() : undefined;
}

/** A real PostgreSQL with folders of its own, which only the user of the tests reaches, by a socket. */
export class PostgresqlServer {
  readonly #programs: string;
  readonly #folder: string;
  #child: ReturnType<typeof spawnGroup> | undefined;
  #ended: Promise<number> | undefined;

  private constructor(programs: string, folder: string) {
    this.#programs = programs;
    this.#folder = folder;
  }

  /** Makes the folders and starts it. */
  static async start(programs: string): Promise<PostgresqlServer> {
    const folder = mkdtempSync(join(tmpdir(), 'rookery-pg-'));
    const server = new PostgresqlServer(programs, folder);
    try {
      await server.#make();
      await server.start();
    } catch (error) {
      await server.remove();
      throw error;
    }
    return server;
  }

  /** Its own rules would sort texts unlike SQLite: what we compare has to bring its rule along. */
  async #make(): Promise<void> {
    const ids = await unprivileged();
    if (ids !== undefined) {
      chownSync(this.#folder, ids.uid, ids.gid);
    }
    await runChecked(
      [
        ...(await this.#as()),
        join(this.#programs, 'initdb'),
        `--pgdata=${this.#data}`,
        '--username=postgres',
        '--auth=trust',
        '--encoding=UTF8',
        '--locale=C.UTF-8',
        '--locale-provider=icu',
        '--icu-locale=en',
      ],
      { env: toolEnvironment(), cwd: this.#folder },
    );
  }

  get #data(): string {
    return join(this.#folder, 'data');
  }

  /** Starts it, again after `kill`, and waits until it answers. */
  async start(): Promise<void> {
    const command = [
      ...(await this.#as()),
      join(this.#programs, 'postgres'),
      '-D',
      this.#data,
      '-k',
      this.#folder,
      '--listen_addresses=',
      '--max_connections=200',
      '--shared_buffers=64MB',
    ];
    this.#child = spawnGroup(command, { env: toolEnvironment(), cwd: this.#folder }, 'ignore');
    this.#ended = ended(this.#child, command);
    await poll('PostgreSQL to answer', async () => {
      try {
        await this.query('select 1');
        return true;
      } catch {
        return undefined;
      }
    });
  }

  url(database: string): string {
    return `postgres://postgres@localhost/${database}?host=${this.#folder}`;
  }

  async query(text: string, database = 'postgres'): Promise<unknown[]> {
    const client = new Client({ connectionString: this.url(database) });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** SIGKILL for the process that all others are children of. They end when they notice; it does not start before. */
  async kill(): Promise<void> {
    const [pid] = readFileSync(join(this.#data, 'postmaster.pid'), 'utf8').split('\n');
    process.kill(Number(pid), 'SIGKILL');
    await this.#ended;
    this.#child = undefined;
    await poll('the children of PostgreSQL to end', async () => {
      const { stdout } = await run(['ps', '-eo', 'args'], { env: toolEnvironment() });
      return stdout.toString('utf8').includes(`-D ${this.#data}`) ? undefined : true;
    });
  }

  async stop(): Promise<void> {
    if (this.#child !== undefined) {
      killGroup(this.#child, 'SIGINT');
      await this.#ended;
      this.#child = undefined;
    }
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #as(): Promise<string[]> {
    const ids = await unprivileged();
    const who =
      ids === undefined ? [] : [`--reuid=${ids.uid}`, `--regid=${ids.gid}`, '--clear-groups'];
    return ['setpriv', ...who, '--pdeathsig', 'INT', '--'];
  }
}

/** PostgreSQL refuses to run as root: then it is the user of the package. */
async function unprivileged(): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  if (process.getuid?.() !== 0) {
    return undefined;
  }
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith('postgres:'));
  const [, , uid = 65_534, gid = 65_534] = line?.split(':') ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}
