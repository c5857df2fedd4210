import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DistccdSettings, runAgent } from '../../src/agent/run-agent.ts';
import { silentLog } from '../../src/support/log.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import type { LiveServer } from './live-server.ts';
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
        ...{ server: server.url, token: token.trim(), name, workFolder: folder, slots: 1 },
        ...{ log: silentLog(), signal, distccd },
      });
    });
  }

  /** What its distccd has said. */
  async distccdLog(): Promise<string> {
    return await readFile(join(this.folder, 'distccd/log'), 'utf8');
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
