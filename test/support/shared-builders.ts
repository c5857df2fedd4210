import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { type DistccdSettings, runAgent } from '../../src/agent/run-agent.ts';
import { agentListSchema } from '../../src/protocol/agents.ts';
import { requestDetailSchema, requestViewSchema } from '../../src/protocol/builds.ts';
import { silentLog } from '../../src/support/log.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import type { LiveServer } from './live-server.ts';
import { poll } from './poll.ts';
import { freePort } from './rookery-process.ts';

/** An agent within this process that compiles for the others on an address of its own. */
export class SharedBuilder {
  readonly name: string;
  readonly folder: string;
  readonly #stop = new AbortController();
  readonly #life: Promise<void>;

  private constructor(name: string, folder: string, life: (signal: AbortSignal) => Promise<void>) {
    this.name = name;
    this.folder = folder;
    this.#life = life(this.#stop.signal);
    this.#life.catch(() => undefined);
  }

  static async start(
    server: LiveServer,
    name: string,
    options: { readonly address: string; readonly allow?: readonly string[] },
  ): Promise<SharedBuilder> {
    const token = await readFile(join(server.config.paths.state, 'tokens/builder.token'), 'utf8');
    const distccd: DistccdSettings = {
      listen: options.address,
      port: await freePort(),
      allow: options.allow ?? ['127.0.0.0/8'],
      jobs: 4,
    };
    const folder = join(server.folder, name);
    return new SharedBuilder(name, folder, async (signal) => {
      await runAgent({
        server: server.url,
        token: token.trim(),
        name,
        workFolder: folder,
        slots: 1,
        log: silentLog(),
        signal,
        distccd,
      });
    });
  }

  /** What its distccd has said. */
  async distccdLog(): Promise<string> {
    return await readFile(join(this.folder, 'distccd/log'), 'utf8');
  }

  /** Files that its distccd has compiled, from its log. */
  async compiled(): Promise<string[]> {
    return [...(await this.distccdLog()).matchAll(/COMPILE_OK .*? (\S+\.c)$/gm)].map(
      ([, file = '']) => file,
    );
  }

  /** The user id that its distccd runs as. */
  async distccdUser(): Promise<number> {
    const mark = await readFile(join(this.folder, 'distccd/pid'), 'utf8');
    return (await stat(`/proc/${mark.split(' ')[0]}`)).uid;
  }

  /** A counter of its local ccache for a profile (`ccache --print-stats`). */
  async ccacheCounter(profile: string, counter: string): Promise<number> {
    const env = { ...toolEnvironment(), CCACHE_DIR: join(this.folder, 'ccache', profile) };
    const { stdout } = await runChecked(['ccache', '--print-stats'], { env });
    const value = new RegExp(`^${counter}\\t(\\d+)$`, 'm').exec(String(stdout))?.[1];
    if (value === undefined) {
      throw new Error(`ccache has no counter ${counter}: ${String(stdout)}`);
    }
    return Number(value);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#life;
  }
}

const SLOW_MS = 180_000;

/** The builders of one server. */
export class SharedFarm {
  readonly #server: LiveServer;
  #builders: SharedBuilder[] = [];

  constructor(server: LiveServer) {
    this.#server = server;
  }

  /** By name, with the address of its distccd. */
  async startBuilders(
    addresses: Readonly<Record<string, string>>,
    allow?: readonly string[],
  ): Promise<void> {
    for (const [name, address] of Object.entries(addresses)) {
      const more = allow === undefined ? {} : { allow };
      this.#builders.push(await SharedBuilder.start(this.#server, name, { address, ...more }));
    }
    await poll(
      'the builders to be there',
      async () => {
        const text = await this.#server.call('GET', '/api/agents');
        const { agents } = agentListSchema.parse(JSON.parse(text));
        const names = new Set(agents.map(({ name }) => name));
        return Object.keys(addresses).every((name) => names.has(name)) || undefined;
      },
      SLOW_MS,
    );
  }

  /** Has a package built, and says who built it and what the log is. */
  async build(profile: string, atom: string): Promise<{ by: SharedBuilder; log: string }> {
    const wanted = { profile, atoms: [atom], rebuild: true };
    const { id } = requestViewSchema.parse(
      JSON.parse(await this.#server.call('POST', '/api/requests', wanted)),
    );
    const detail = await poll(
      `the end of the request for ${atom}`,
      async () => {
        const text = await this.#server.call('GET', `/api/requests/${id}`);
        const found = requestDetailSchema.parse(JSON.parse(text));
        return found.finishedAt === null ? undefined : found;
      },
      SLOW_MS,
    );
    const job = detail.jobs.find(({ kind }) => kind !== 'plan');
    const log = await this.#server.call('GET', `/api/jobs/${job?.id}/log`);
    expect(`${detail.state} ${detail.reason ?? ''} ${log}`).toMatch(/^done /);
    const by = this.#builders.find(({ name }) => name === job?.agent);
    if (by === undefined) {
      throw new Error(`nobody is called ${job?.agent}`);
    }
    return { by, log };
  }

  otherThan(builder: SharedBuilder): SharedBuilder {
    const other = this.#builders.find((one) => one !== builder);
    if (other === undefined) {
      throw new Error('there is only one builder');
    }
    return other;
  }

  async stop(builder: SharedBuilder): Promise<void> {
    this.#builders = this.#builders.filter((one) => one !== builder);
    await builder.stop();
  }

  async stopBuilders(): Promise<void> {
    for (const builder of this.#builders.splice(0)) {
      await builder.stop();
    }
  }
}
