import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServerClient, type ServerClient } from '../../src/cli/server-client.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import type { KeyMessage } from '../../src/protocol/keys.ts';
import { type Server, startServer } from '../../src/server.ts';
import { systemClock } from '../../src/support/clock.ts';
import { silentLog } from '../../src/support/log.ts';
import { type RunResult, run, runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { runProgram } from '../cli/run-program.ts';
import {
  type GentooPrefix,
  makeGentooPrefix,
  makeOverlay,
  portageSuite,
} from '../support/gentoo-prefix.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { freePort } from '../support/rookery-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const [title, isSkipped] = portageSuite('keys, as real Portage sees them');
const suite = isSkipped ? describe.skip : describe;
const DAY_MS = 86_400_000;
const MINUTES = 60_000;
const NAMES = ['one', 'two', 'three'] as const;
const folder = temporaryFolder();
const overlay = join(folder, 'overlay');
const farms: Farm[] = [];

function ebuild(name: string): string {
  return `EAPI=8
DESCRIPTION="The package ${name}"
S="\${WORKDIR}"
LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
src_install() {
  echo ${name} > ${name} || die
  insinto /usr/share/rotation
  doins ${name}
}
`;
}

/** A farm whose time is moved by hand and lies in the past of its nodes: what it signs is never from their future. */
class Farm {
  readonly folder: string;
  readonly clock: ManualClock;
  url = '';
  #server: Server | undefined;

  private constructor(place: string, daysAgo: number) {
    this.folder = place;
    this.clock = new ManualClock(systemClock.now() - daysAgo * DAY_MS);
  }

  static async make(
    name: string,
    { daysAgo, validDays }: { readonly daysAgo: number; readonly validDays: number },
  ): Promise<Farm> {
    const farm = new Farm(join(folder, name), daysAgo);
    farms.push(farm);
    await mkdir(join(farm.folder, 'profiles/web'), { recursive: true });
    await writeFile(
      join(farm.folder, 'profiles/web/profile.toml'),
      'description = "Web"\narch = "amd64"\nchost = "x86_64-pc-linux-gnu"\ncflags = "-O2 -march=x86-64-v2"\n',
    );
    await writeFile(
      join(farm.folder, 'rookery.toml'),
      `[http]\nport = ${await freePort()}\n[signing]\nvalid-days = ${validDays}\n`,
    );
    await farm.restart();
    return farm;
  }

  /** What is due is done at the start. */
  async restart(): Promise<void> {
    await this.stop();
    const config = await loadConfig({ file: join(this.folder, 'rookery.toml'), env: {}, cwd: '/' });
    this.#server = await startServer(config, silentLog(), this.clock);
    this.url = this.#server.url;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = undefined;
  }

  async client(): Promise<ServerClient> {
    const token = await readFile(join(this.folder, 'state/tokens/admin.token'), 'utf8');
    return createServerClient({ url: this.url, token: token.trim() });
  }

  async key(...words: readonly string[]): Promise<string> {
    const result = await runProgram(['key', ...words], {
      env: { ROOKERY_SERVER: this.url },
      cwd: this.folder,
      parts: { clock: systemClock },
    });
    expect(result).toMatchObject({ code: 0 });
    return result.stdout;
  }

  async keyIn(state: KeyMessage['state']): Promise<KeyMessage> {
    const { keys } = await (await this.client()).keys();
    const found = keys.find((one) => one.state === state);
    if (found === undefined) {
      throw new Error(`no ${state} key`);
    }
    return found;
  }

  async signedBy(name: string): Promise<string | undefined> {
    const { packages } = await (await this.client()).packages('web', { limit: 100, offset: 0 });
    return packages.find(({ cpv }) => cpv === `app-misc/${name}-1`)?.signedBy;
  }

  /** Imports what the builder made of it, and shows it to the nodes. */
  async publish(name: (typeof NAMES)[number]): Promise<void> {
    const packages = join(folder, 'builder/pkgs/app-misc', name);
    const [file = ''] = await readdir(packages);
    const pushed = await runProgram(['package', 'push', 'web', join(packages, file)], {
      env: { ROOKERY_SERVER: this.url },
      cwd: this.folder,
      parts: { clock: systemClock },
    });
    expect(pushed).toMatchObject({ code: 0 });
    this.clock.advance(10_000);
    await (await this.client()).publish('web', 'testing', { reason: `with ${name}` });
  }
}

/** A Gentoo root with nothing but the setup script applied. */
class Node {
  readonly #prefix: GentooPrefix;
  readonly #farm: Farm;

  private constructor(prefix: GentooPrefix, farm: Farm) {
    this.#prefix = prefix;
    this.#farm = farm;
  }

  /** `at`: what gpg takes for now while the script runs, milliseconds since the epoch. */
  static async make(name: string, farm: Farm, at?: number): Promise<Node> {
    const prefix = await makeGentooPrefix({ folder: join(folder, name), overlay });
    const node = new Node(prefix, farm);
    await node.setUp(at);
    return node;
  }

  async setUp(at?: number): Promise<void> {
    const file = join(this.#prefix.folder, 'setup.sh');
    await writeFile(file, await (await fetch(`${this.#farm.url}/setup/web/testing.sh`)).text());
    const home = join(this.#prefix.folder, 'gnupg');
    const result = await run(['sh', file, '--prefix', this.#prefix.folder, '--gnupg-home', home], {
      env: at === undefined ? this.#prefix.env : await this.#withTime(at),
    });
    expect(told(result)).toEqual([0, expect.anything()]);
  }

  async #withTime(at: number): Promise<Readonly<Record<string, string>>> {
    const tools = join(this.#prefix.folder, 'faked');
    await mkdir(tools, { recursive: true });
    const { stdout } = await runChecked(['sh', '-c', 'command -v gpg'], { env: toolEnvironment() });
    const gpg = `exec ${stdout.toString().trim()} --faked-system-time ${Math.floor(at / 1000)}! "$@"`;
    await writeFile(join(tools, 'gpg'), `#!/bin/sh\n${gpg}\n`, { mode: 0o755 });
    const { env } = this.#prefix;
    return { ...env, PATH: [tools, env['PATH']].join(delimiter) };
  }

  /** `rookery-node keys`. */
  async keys(): Promise<readonly [code: number, said: string]> {
    const program = join(this.#prefix.folder, 'usr/local/sbin/rookery-node');
    return told(await run([program, 'keys'], { env: this.#prefix.env }));
  }

  async emerge(...words: readonly string[]): Promise<readonly [code: number, said: string]> {
    return told(await this.#prefix.emerge(words));
  }

  /** Installs it and says whether Portage did. */
  async installs(name: (typeof NAMES)[number]): Promise<string> {
    const place = join(this.#prefix.folder, 'usr/share/rotation', name);
    await rm(place, { force: true });
    const [code, said] = await this.emerge('-G', '--oneshot', `app-misc/${name}`);
    const content = await readFile(place, 'utf8').catch(() => 'nothing');
    return code === 0 ? `installed ${content.trim()}` : `refused, with ${content}: ${said}`;
  }
}

function told({ exitCode, stdout, stderr }: RunResult): readonly [code: number, said: string] {
  return [exitCode, stdout.toString() + stderr];
}

const REFUSED = expect.stringMatching(/^refused, with nothing: [^]*signature/i);

beforeAll(async () => {
  if (isSkipped) {
    return;
  }
  await chmod(folder, 0o755);
  await makeOverlay(
    overlay,
    Object.fromEntries(NAMES.map((name) => [`app-misc/${name}/${name}-1.ebuild`, ebuild(name)])),
  );
  const builder = await makeGentooPrefix({ folder: join(folder, 'builder'), overlay });
  const built = await builder.emerge([
    '--buildpkgonly',
    ...NAMES.map((name) => `app-misc/${name}`),
  ]);
  expect(told(built)).toEqual([0, expect.anything()]);
}, 5 * MINUTES);

afterAll(async () => {
  await Promise.all(farms.map(async (farm) => await farm.stop()));
});

suite(`${title}: rotation`, () => {
  let farm: Farm;
  let node: Node;
  let away: Node;
  let lost: Node;

  beforeAll(async () => {
    farm = await Farm.make('farm', { daysAgo: 60, validDays: 365 });
    await farm.publish('one');
    node = await Node.make('n1', farm);
    away = await Node.make('n2', farm);
    lost = await Node.make('n3', farm);
  }, 5 * MINUTES);

  it(
    'brings the next key to the nodes before its first signature',
    async () => {
      const old = await farm.keyIn('current');
      expect(await node.installs('one')).toBe('installed one');

      await farm.key('rotate', '--primary', '--overlap', '14d', '--reason', 'yearly');
      const next = await farm.keyIn('next');
      expect(next.takesOverAt).toBe(farm.clock.now() + 14 * DAY_MS);
      expect(await node.keys()).toEqual([
        0,
        expect.stringContaining(
          `the key ${next.primaryFingerprint} of the farm is now trusted, on the word of ${old.fingerprint}`,
        ),
      ]);

      await farm.publish('two');
      expect(await farm.signedBy('two')).toBe(old.fingerprint);
      farm.clock.advance(14 * DAY_MS);
      await farm.restart();
      expect((await farm.keyIn('current')).fingerprint).toBe(next.fingerprint);
      await farm.publish('three');
      expect(await farm.signedBy('three')).toBe(next.fingerprint);
    },
    3 * MINUTES,
  );

  it(
    'lets a node install what the old key signed and what the new one signs',
    async () => {
      expect(await node.installs('two')).toBe('installed two');
      expect(await node.installs('three')).toBe('installed three');
    },
    3 * MINUTES,
  );

  it(
    'lets a node that was away during the whole overlap refuse what is new, until it fetches the keys',
    async () => {
      expect(await away.installs('two')).toBe('installed two');
      expect(await away.installs('three')).toEqual(REFUSED);
      expect(await away.keys()).toEqual([0, expect.stringContaining('is now trusted')]);
      expect(await away.installs('three')).toBe('installed three');
    },
    3 * MINUTES,
  );

  it(
    'signs again without a node installing anything again, and the old key can go',
    async () => {
      expect(await farm.key('resign')).toContain('Signed 2 packages again.');
      const all = NAMES.map((name) => `app-misc/${name}`);
      const [code, said] = await node.emerge('-puDG', ...all);
      expect([code, said]).toEqual([0, expect.not.stringContaining('[binary')]);
      const old = await farm.keyIn('previous');
      await farm.key('revoke', old.fingerprint, '--cause', 'retired', '--reason', 'done with it');

      expect(await node.keys()).toEqual([0, expect.anything()]);
      for (const name of NAMES) {
        expect(await node.installs(name)).toBe(`installed ${name}`);
      }
      // Nobody whom this one trusts can vouch for the new key any more.
      expect(await lost.keys()).toEqual([
        4,
        expect.stringContaining('run the setup script of web'),
      ]);
      expect(await lost.installs('one')).toEqual(REFUSED);
      await lost.setUp();
      expect(await lost.installs('one')).toBe('installed one');
    },
    5 * MINUTES,
  );
});

suite(`${title}: expiry`, () => {
  it(
    'is warned about before, refused by the node after, and healed by an extension',
    async () => {
      const farm = await Farm.make('aging', { daysAgo: 100, validDays: 99 });
      await farm.publish('one');
      const node = await Node.make('n4', farm, farm.clock.now());
      const { fingerprint, expiresAt } = await farm.keyIn('current');
      expect(await (await fetch(farm.url)).text()).not.toContain('Needs attention');

      farm.clock.advance(92.5 * DAY_MS);
      await farm.restart();
      const metrics = await (await fetch(`${farm.url}/metrics`)).text();
      expect(metrics).toContain(
        `rookery_key_expires_timestamp_seconds{fingerprint="${fingerprint}",state="current"} ${(expiresAt ?? 0) / 1000}`,
      );
      expect(await (await fetch(farm.url)).text()).toContain(`key ${fingerprint} expires on`);
      const subject = `key:${fingerprint}`;
      const events = await (await farm.client()).journal({ subject, limit: 10 });
      expect(events.map(({ kind, data }) => [kind, data['days']])).toContainEqual([
        'key-expiring',
        7,
      ]);

      // The node lives in the present, in which this key has expired yesterday.
      expect(await node.installs('one')).toEqual(REFUSED);
      expect(await node.keys()).toEqual([4, expect.anything()]);

      await farm.key('extend', '--days', '60');
      expect(await node.keys()).toEqual([0, expect.stringContaining('up to date')]);
      expect(await node.installs('one')).toBe('installed one');
    },
    5 * MINUTES,
  );
});
