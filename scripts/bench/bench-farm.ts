import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ServerConnection } from '../../src/agent/server-connection.ts';
import type { AgentDescriptionMessage, LeaseMessage } from '../../src/protocol/agents.ts';
import { requestViewSchema } from '../../src/protocol/builds.ts';
import { silentLog } from '../../src/support/log.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { findPostgresql, PostgresqlServer } from '../../test/support/postgresql-server.ts';
import { TestServer } from '../../test/support/rookery-process.ts';
import type { MadePackage } from '../simulation/package-graph.ts';

const PROFILE = 'web';
const PROFILE_TOML = `
description = "Web servers of this measurement"
arch = "amd64"
chost = "x86_64-pc-linux-gnu"
cflags = "-O2"
executor = "portage"
channels = ["testing"]
[build-root]
kind = "chroot"
path = "/nowhere"
`;

export type Engine = 'SQLite' | 'PostgreSQL';
export const ENGINES: readonly Engine[] = ['SQLite', 'PostgreSQL'];

/** A server process with the settings that it has by default, and connections of agents, which build nothing. */
export class BenchFarm {
  readonly #server: TestServer;
  readonly #postgresql: PostgresqlServer | undefined;
  readonly #token: string;

  private constructor(server: TestServer, postgresql: PostgresqlServer | undefined, token: string) {
    this.#server = server;
    this.#postgresql = postgresql;
    this.#token = token;
  }

  /** Undefined when the engine is not installed. */
  static async start(folder: string, engine: Engine): Promise<BenchFarm | undefined> {
    const programs = engine === 'PostgreSQL' ? await findPostgresql() : undefined;
    if (engine === 'PostgreSQL' && programs === undefined) {
      return undefined;
    }
    await mkdir(join(folder, 'profiles', PROFILE), { recursive: true });
    await writeFile(join(folder, 'profiles', PROFILE, 'profile.toml'), PROFILE_TOML);
    const postgresql = programs === undefined ? undefined : await PostgresqlServer.start(programs);
    try {
      await postgresql?.query('create database farm');
      const settings = postgresql && `[database]\nurl = "${postgresql.url('farm')}"\n`;
      const server = await TestServer.create(folder, settings);
      await server.start();
      return new BenchFarm(server, postgresql, await server.token('builder'));
    } catch (error) {
      await postgresql?.remove();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.#server.program.stop();
    await this.#postgresql?.remove();
  }

  /** Registers an agent. */
  async agent(name: string, signal: AbortSignal): Promise<ServerConnection> {
    const { url: server } = this.#server;
    const log = silentLog();
    const connection = new ServerConnection({ server, token: this.#token, agent: name, log });
    await connection.register(description(name), signal);
    return connection;
  }

  /** Asks for something that an agent is to plan. */
  async request(): Promise<string> {
    const wanted = { profile: PROFILE, atoms: ['app-misc/all'] };
    const { status, body } = await this.#server.call('POST', '/api/requests', wanted);
    if (status !== 201) {
      throw new Error(`the request was answered ${status}: ${JSON.stringify(body)}`);
    }
    return requestViewSchema.parse(body).id;
  }

  /** Gives up what is left of a request. */
  async cancel(request: string): Promise<void> {
    const { status, body } = await this.#server.call('POST', `/api/requests/${request}/cancel`, {});
    if (status !== 200) {
      throw new Error(`the cancellation was answered ${status}: ${JSON.stringify(body)}`);
    }
  }

  /** The share of one processor that the server takes while something goes on for so long. */
  async processorShare(during: () => Promise<void>): Promise<number> {
    const ticks = Number(String((await tool(['getconf', 'CLK_TCK'])).stdout));
    const before = await this.#processorTicks();
    const begun = performance.now();
    await during();
    const seconds = (performance.now() - begun) / 1000;
    return ((await this.#processorTicks()) - before) / ticks / seconds;
  }

  /** See proc(5): utime and stime of all threads. */
  async #processorTicks(): Promise<number> {
    const text = await readFile(`/proc/${await pidOf(this.#server)}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  }
}

async function tool(words: readonly string[]): ReturnType<typeof runChecked> {
  return await runChecked(words, { env: toolEnvironment() });
}

/** The process of a server that runs. */
export async function pidOf(server: TestServer): Promise<string> {
  const note: unknown = JSON.parse(
    await readFile(join(server.folder, 'state/server.json'), 'utf8'),
  );
  return typeof note === 'object' && note !== null && 'pid' in note ? String(note.pid) : '';
}

function description(name: string): AgentDescriptionMessage {
  return {
    name,
    chost: 'x86_64-pc-linux-gnu',
    cpuFlags: ['aes', 'avx', 'avx2', 'sse4_2'],
    cores: 16,
    memoryBytes: 64 * 1024 ** 3,
    portageVersion: '3.0.82',
    executors: ['portage'],
    compiler: 'gcc-14.2.1',
    diskFreeBytes: 100 * 1024 ** 3,
    labels: [],
    profiles: [],
    slots: 1,
    distccd: null,
  };
}

/** What is free on the disk of an agent. */
export const DISK_FREE = 100 * 1024 ** 3;

/** Waits for a job. */
export async function leaseOf(
  connection: ServerConnection,
  signal: AbortSignal,
): Promise<LeaseMessage> {
  for (;;) {
    const lease = await connection.lease(10_000, DISK_FREE, signal);
    if (lease !== undefined && 'jobId' in lease) {
      return lease;
    }
  }
}

type Plan = Parameters<ServerConnection['sendPlan']>[1];

/** The answer of Portage's resolver for packages of which each is built, and runs, with what it needs. */
export function planOf(packages: readonly Pick<MadePackage, 'name' | 'needs'>[]): Plan {
  const ids = packages.map(({ name }) => `ebuild ${name}`);
  return {
    ok: true,
    portage: '3.0.82',
    chost: 'x86_64-pc-linux-gnu',
    packages: packages.map(({ name }, index) => ({
      id: ids[index] ?? '',
      type: 'ebuild' as const,
      cpv: name,
      slot: '0',
      repo: 'gentoo',
      use: ['acl', 'ipv6', 'nls', 'ssl', 'unicode', 'zlib'],
      buildId: null,
      buildTime: null,
      requested: index === packages.length - 1,
      source: index.toString(16).padStart(64, '0'),
    })),
    edges: packages.flatMap(({ needs }, index) =>
      needs.map((need) => ({
        from: ids[index] ?? '',
        to: ids[need] ?? '',
        kinds: ['buildtime' as const, 'runtime' as const],
      })),
    ),
    problems: [],
  };
}
