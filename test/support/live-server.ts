import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { type Server, startServer } from '../../src/server.ts';
import { systemClock } from '../../src/support/clock.ts';
import { digestOf } from '../../src/support/digests.ts';
import { silentLog } from '../../src/support/log.ts';
import { makePackage } from '../repository/make-package.ts';
import { freePort } from './rookery-process.ts';

const PROFILE_TOML = `
description = "A profile of this test"
arch = "amd64"
chost = "x86_64-pc-linux-gnu"
cflags = "-O2"
executor = "source"
channels = ["testing", "stable"]
`;
export const PROFILES = ['web', 'db'];

/** A whole server within this process, on folders of its own. */
export class LiveServer {
  readonly folder: string;
  readonly config: Config;
  #running: Server | undefined;

  private constructor(folder: string, config: Config) {
    this.folder = folder;
    this.config = config;
  }

  static async create(folder: string): Promise<LiveServer> {
    for (const profile of PROFILES) {
      await mkdir(join(folder, 'profiles', profile), { recursive: true });
      await writeFile(join(folder, 'profiles', profile, 'profile.toml'), PROFILE_TOML);
    }
    const lines = ['[http]', `port = ${await freePort()}`, '[paths]'];
    for (const path of ['state', 'mirror-root', 'profiles']) {
      lines.push(`${path} = "${join(folder, path)}"`);
    }
    const file = join(folder, 'rookery.toml');
    await writeFile(file, `${lines.join('\n')}\n`);
    const server = new LiveServer(folder, await loadConfig({ file, env: {}, cwd: folder }));
    live.add(server);
    return server;
  }

  get url(): string {
    return this.#running?.url ?? '';
  }

  async start(): Promise<void> {
    this.#running = await startServer(this.config, silentLog(), systemClock);
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
    this.#running = undefined;
  }

  get tokenFile(): string {
    return join(this.config.paths.state, 'tokens', 'admin.token');
  }

  /** Calls as an administrator; what is refused is thrown. */
  async call(method: string, path: string, body?: object): Promise<string> {
    const token = await readFile(this.tokenFile, 'utf8');
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${token.trim()}`,
        'content-type': Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json',
      },
      ...(body === undefined ? {} : { body: Buffer.isBuffer(body) ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) {
      throw new Error(`${method} ${path}: ${response.status} ${text}`);
    }
    return text;
  }

  /** Makes a package of this CPV and pushes it. Returns its view. */
  async push(profile: string, cpv: string, buildTime?: number): Promise<PushedPackage> {
    const changes = { content: `${profile} ${cpv} ${buildTime}`, metadata: { RDEPEND: '\n' } };
    const file = await makePackage(
      this.folder,
      cpv,
      buildTime === undefined ? changes : { ...changes, buildTime },
    );
    return await this.pushFile(profile, file);
  }

  async pushFile(profile: string, file: string): Promise<PushedPackage> {
    const bytes = await readFile(file);
    const path = `/api/profiles/${profile}/packages?sha512=${digestOf('sha512', bytes)}`;
    return JSON.parse(await this.call('PUT', path, bytes));
  }
}

export interface PushedPackage {
  readonly id: string;
  readonly path: string;
  readonly sha512: string;
  readonly buildId: number;
}

const live = new Set<LiveServer>();

/** Call it once at the top of a test file. */
export function stopLiveServersAfterEach(): void {
  afterEach(async () => {
    for (const server of live) {
      await server.stop();
    }
    live.clear();
  });
}
