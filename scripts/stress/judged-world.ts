import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run, runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { findPortage } from '../../test/support/gentoo-prefix.ts';
import { findPostgresql, PostgresqlServer } from '../../test/support/postgresql-server.ts';
import { type Program, TestServer } from '../../test/support/rookery-process.ts';
import { type Executor, prefixOf, writePackages } from './judged-packages.ts';

export type Engine = 'sqlite' | 'postgresql';

export interface WorldOptions {
  readonly executor: Executor;
  readonly engine: Engine;
  readonly agents: number;
  /** What the compilation of a package takes. */
  readonly buildSeconds: number;
}

/** Short, so that what is lost is soon noticed; and however often it is lost, it is tried again. */
const SETTINGS = [
  '[builds]',
  'lease-seconds = 6',
  'heartbeat-seconds = 1',
  'retry-seconds = 1',
  'longest-retry-seconds = 2',
  'max-attempts = 100',
];

/** Runs the rest of its arguments with a folder in the place of another, for itself alone. */
const BOUND = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';

/** What is missing here for builders with a Portage each; undefined when nothing is. */
export async function missingForPortage(): Promise<string | undefined> {
  if (findPortage() === undefined) {
    return 'no emerge on PATH';
  }
  const asked = ['unshare', '--mount', 'mount', '--bind', '/usr', '/mnt'];
  const { exitCode } = await run(asked, { env: toolEnvironment() });
  return exitCode === 0 ? undefined : 'mounts of its own are not allowed here';
}

interface Builder {
  readonly name: string;
  readonly program: Program;
}

/** One server, its database, and agents on this machine that believe to have one each. */
export class JudgedWorld {
  readonly server: TestServer;
  readonly agents: readonly Builder[];
  readonly postgresql: PostgresqlServer | undefined;

  private constructor(
    server: TestServer,
    agents: readonly Builder[],
    postgresql: PostgresqlServer | undefined,
  ) {
    this.server = server;
    this.agents = agents;
    this.postgresql = postgresql;
  }

  /** Makes everything; nothing but the database runs yet. */
  static async make(folder: string, options: WorldOptions): Promise<JudgedWorld> {
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o755);
    await writePackages(folder, options.executor, options.buildSeconds);
    const programs = options.engine === 'postgresql' ? await findPostgresql() : undefined;
    if (options.engine === 'postgresql' && programs === undefined) {
      throw new Error('PostgreSQL (initdb) is not installed');
    }
    const postgresql = programs === undefined ? undefined : await PostgresqlServer.start(programs);
    try {
      await postgresql?.query('create database farm');
      const database = postgresql ? ['[database]', `url = "${postgresql.url('farm')}"`] : [];
      const server = await TestServer.create(folder, [...database, ...SETTINGS].join('\n'));
      const names = Array.from({ length: options.agents }, (_, at) => `pre${at + 1}`);
      const agents: Builder[] = [];
      for (const name of names) {
        const within = options.executor === 'portage' ? await prefixFor(folder, name) : [];
        agents.push({ name, program: server.agent(name, { within }) });
      }
      return new JudgedWorld(server, agents, postgresql);
    } catch (error) {
      await postgresql?.remove();
      throw error;
    }
  }

  async start(names: readonly string[] = this.agents.map(({ name }) => name)): Promise<void> {
    await this.server.start();
    for (const { name, program } of this.agents) {
      if (names.includes(name)) {
        program.start();
      }
    }
  }

  /** SIGKILL for an agent, and for all that it runs when its machine loses its power. */
  async killAgent({ name, program }: Builder, isPowerCut: boolean): Promise<void> {
    await program.kill();
    if (isPowerCut) {
      for (const pid of processesBelow(join(this.server.folder, `work-${name}`))) {
        killProcess(pid);
      }
    }
  }

  /** Ends agents as an operator does. What they leave running is returned, a line each. */
  async stopAgents(): Promise<string[]> {
    for (const { program } of this.agents) {
      await program.stop();
    }
    return this.agents.flatMap(({ name }) =>
      processesBelow(join(this.server.folder, `work-${name}`)).map(
        (pid) => `process ${pid} of ${name} is left`,
      ),
    );
  }

  async end(): Promise<void> {
    for (const builder of this.agents) {
      await this.killAgent(builder, true);
    }
    await this.server.program.kill();
    await this.postgresql?.remove();
  }
}

/** Makes a prefix for an agent, and says how the agent is started so that it finds it in the place of all. */
async function prefixFor(folder: string, name: string): Promise<string[]> {
  const place = prefixOf(folder);
  const own = join(folder, `prefix-${name}`);
  await mkdir(place, { recursive: true });
  await mkdir(own);
  const within = ['unshare', '--mount', 'sh', '-c', BOUND, 'sh', own, place];
  const program = join(import.meta.dirname, '../make-prefix');
  const make = [...within, program, place, join(folder, 'overlay')];
  await runChecked(make, { env: toolEnvironment() });
  return within;
}

function processesBelow(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => placeOf(pid).startsWith(`${folder}/`))
    .map(Number);
}

/** The working directory of a process; nothing when it has ended. */
function placeOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}

function killProcess(pid: number): void {
  if (existsSync(`/proc/${pid}`)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself meanwhile.
    }
  }
}
