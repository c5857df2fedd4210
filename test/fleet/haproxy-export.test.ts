import { createServer, request, type Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { haproxyConfiguration } from '../../src/fleet/export/haproxy.ts';
import type { HaproxyOptions } from '../../src/fleet/export/haproxy-site.ts';
import type { Farm, Site } from '../../src/fleet/inventory/inventory.ts';
import { isHaproxyInstalled } from '../support/haproxy.ts';
import { freePort } from '../support/rookery-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { HaproxyProcess } from './haproxy-process.ts';

const folder = temporaryFolder();
const isThere = await isHaproxyInstalled();
const FARMS = ['web1', 'web2', 'web3'];
const NET = `127.${64 + (process.pid % 64)}`;

function farm(name: string, place: number): Farm {
  return {
    name,
    site: 'east',
    memcached: [],
    maxOut: 1,
    minServing: 1,
    members: [1, 2].map((index) => ({
      node: `${name}-${index}`,
      farm: name,
      index,
      ssh: { host: `${NET}.${place + 1}.${index}`, port: 22, user: 'root' },
      profile: 'zen3',
      webServer: 'nginx',
      rack: null,
      weight: 1,
      isEager: false,
    })),
  };
}

const SITE: Site = {
  name: `east-${process.pid}`,
  balancers: [
    {
      name: 'lb1',
      driver: 'haproxy',
      socket: `ssh://lb1${join(folder, 'haproxy.sock')}`,
      memberBackend: 'members_{farm}',
      farmBackends: ['blue', 'green'],
    },
  ],
  farms: FARMS.map(farm),
  peakLoad: null,
  sessionSeconds: null,
  windows: [],
};

const OPTIONS: HaproxyOptions = {
  pattern: 'generation-cookie',
  balancer: null,
  bind: ':80',
  memberPort: 8080,
  checkPath: '/health',
  socket: null,
  maxConnections: 500,
  stateFile: join(folder, 'state'),
  live: 'blue',
  generation: '1',
  newSessions: 'any-with-floor',
};

/** A browser, as far as cookies go. */
class Visitor {
  readonly cookies = new Map<string, string>();
  readonly port: number;

  constructor(port: number) {
    this.port = port;
  }

  /** `FARM VERSION`, or the status when it is not 200. */
  async visit(): Promise<string> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    return await new Promise((done, fail) => {
      const asked = request(
        { port: this.port, host: '127.0.0.1', path: '/', agent: false, headers: { cookie } },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (piece: string) => {
            text += piece;
          });
          response.on('end', () => {
            for (const line of response.headers['set-cookie'] ?? []) {
              const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
              this.cookies.set(name, value);
            }
            done(response.statusCode === 200 ? text : String(response.statusCode));
          });
        },
      );
      asked.on('error', fail);
      asked.end();
    });
  }
}

async function visitAll(all: readonly Visitor[]): Promise<string[]> {
  return await Promise.all(all.map(async (visitor) => await visitor.visit()));
}

describe('the configuration of HAProxy', () => {
  it('is refused when the site or a name does not fit', () => {
    const refused: [Site, Partial<HaproxyOptions>, string][] = [
      [{ ...SITE, balancers: [] }, {}, 'no balancer with the driver haproxy'],
      [SITE, { balancer: 'lb9' }, 'no balancer "lb9"'],
      [SITE, { generation: 'a b' }, '"a b" cannot be a name'],
      [SITE, { checkPath: '/x\n  server evil 1.2.3.4' }, 'cannot stand in a configuration'],
      [{ ...SITE, name: 'east\nglobal' }, {}, 'cannot be a name'],
    ];
    for (const [site, change, words] of refused) {
      expect(() => haproxyConfiguration(site, { ...OPTIONS, ...change })).toThrow(words);
    }
  });

  it('swaps the backends for the next upgrade, with a cookie of its own', () => {
    const text = haproxyConfiguration(SITE, { ...OPTIONS, live: 'green', generation: '2' });
    expect(text).toContain('default_backend green');
    expect(text).toContain('\n    description rookery live=green generation=2\n');
    expect(text).toMatch(/backend blue\n(?:.*\n)*?.*ROOKERY_GEN=blue\.2;/);
    expect(text).toMatch(/backend blue\n(?:.*\n)*?.*server web1 .* disabled\n/);
  });
});

(isThere ? describe : describe.skip)('HAProxy with this configuration (needs haproxy)', () => {
  /** Version by farm, and which farms are dead. */
  const versions = new Map<string, number>();
  const dead = new Set<string>();
  const servers: Server[] = [];
  let memberPort = 0;
  let port = 0;
  let haproxy: HaproxyProcess | undefined;

  beforeAll(async () => {
    memberPort = await freePort();
    port = await freePort();
    for (const { name, members } of SITE.farms) {
      for (const { ssh } of members) {
        const server = createServer((_request, response) => {
          if (dead.has(name)) {
            response.socket?.destroy();
          } else {
            response.end(`${name} ${versions.get(name)}`);
          }
        });
        await new Promise<void>((done) => server.listen(memberPort, ssh.host, done));
        servers.push(server);
      }
    }
  });

  afterEach(async () => {
    await haproxy?.stop();
    haproxy = undefined;
    dead.clear();
  });

  afterAll(() => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  async function start(change: Partial<HaproxyOptions>): Promise<HaproxyProcess> {
    for (const name of FARMS) {
      versions.set(name, 1);
    }
    const options = { ...OPTIONS, memberPort, bind: `127.0.0.1:${port}`, ...change };
    haproxy = await HaproxyProcess.start({
      folder,
      configuration: haproxyConfiguration(SITE, options),
      socket: join(folder, 'haproxy.sock'),
      stateFile: options.stateFile,
    });
    for (const name of FARMS) {
      await haproxy.until('blue', name, 'UP');
    }
    return haproxy;
  }

  async function visitors(count: number): Promise<Visitor[]> {
    const all = Array.from({ length: count }, () => new Visitor(port));
    await Promise.all(all.map(async (visitor) => await visitor.visit()));
    return all;
  }

  /** Takes a farm out of blue, gives it the next release, and puts it into green. */
  async function upgrade(name: string): Promise<void> {
    await haproxy?.tell(`set server blue/${name} state maint`);
    versions.set(name, 2);
    await haproxy?.tell(`set server green/${name} state ready`);
    await haproxy?.until('green', name, 'UP');
  }

  it('keeps visitors at their farm', async () => {
    await start({});
    const all = await visitors(12);
    const first = await visitAll(all);
    expect([...new Set(first)].toSorted()).toEqual(['web1 1', 'web2 1', 'web3 1']);
    expect(await visitAll(all)).toEqual(first);
  });

  it.each(['any-with-floor', 'upgraded-only'] as const)(
    'never shows the old release to who has seen the new one, also when its only farm dies (%s)',
    async (newSessions) => {
      const running = await start({ newSessions });
      const all = await visitors(12);
      await visitAll(all);
      await upgrade('web1');

      const fresh = await visitors(30);
      const seen = await visitAll(fresh);
      const hasSeen = (place: number): boolean => seen[place] === 'web1 2';
      expect(seen).toContain('web1 2');
      expect(seen.some((one) => one.endsWith(' 1'))).toBe(newSessions === 'any-with-floor');
      // Those of the farms that are left stay there.
      const old = await visitAll(all);
      expect(old.filter((one) => one.endsWith(' 1')).length).toBeGreaterThan(5);

      dead.add('web1');
      await running.until('green', 'web1', 'DOWN');
      const after = await visitAll(fresh);
      expect(after.filter((_, place) => hasSeen(place))).toEqual(
        seen.filter((_, place) => hasSeen(place)).map(() => '503'),
      );
      // Nobody else has to suffer.
      expect(after.filter((_, place) => !hasSeen(place))).not.toContain('503');
      expect((await visitAll(await visitors(5))).every((one) => one.endsWith(' 1'))).toBe(true);

      dead.clear();
      await running.until('green', 'web1', 'UP');
      expect((await visitAll(fresh)).filter((_, place) => hasSeen(place))).toEqual(
        seen.filter((_, place) => hasSeen(place)),
      );
      await upgrade('web2');
      await upgrade('web3');
      const last = await visitAll([...all, ...fresh]);
      expect(last.every((one) => one.endsWith(' 2'))).toBe(true);
    },
  );

  it('drains the old farms when that is the pattern, and rather shows nothing than the old release', async () => {
    const running = await start({ pattern: 'drain-the-old' });
    const all = await visitors(12);
    const before = await visitAll(all);
    await running.tell('set server blue/web1 state maint');
    versions.set('web1', 2);
    await running.tell(
      'set server blue/web1 state ready; set server blue/web2 state drain; set server blue/web3 state drain',
    );
    await running.until('blue', 'web1', 'UP');
    const fresh = await visitors(10);
    expect(new Set(await visitAll(fresh))).toEqual(new Set(['web1 2']));
    expect(await visitAll(all)).toEqual(before.map((one) => one.replace('web1 1', 'web1 2')));
    dead.add('web1');
    await running.until('blue', 'web1', 'DOWN');
    expect(new Set(await visitAll(fresh))).toEqual(new Set(['503']));
    expect(new Set(await visitAll(await visitors(3)))).toEqual(new Set(['503']));
  });

  it('remembers over a reload what it was told, when its state was saved', async () => {
    const running = await start({});
    await upgrade('web1');
    await running.tell('set server members_web2/web2-1 state drain');
    await running.reload(OPTIONS.stateFile);
    expect(await running.status('blue', 'web1')).toBe('MAINT');
    expect(await running.status('green', 'web2')).toBe('MAINT');
    await running.until('green', 'web1', 'UP');
    expect(await running.status('members_web2', 'web2-1')).toMatch(/^DRAIN/);
  });

  it('takes a member out of its farm without a word to visitors', async () => {
    const running = await start({});
    const all = await visitors(6);
    await running.tell('set server members_web1/web1-1 state maint');
    expect(await visitAll(all)).not.toContain('503');
    expect(await running.status('blue', 'web1')).toBe('UP');
    await running.tell('set server members_web1/web1-2 state maint');
    await running.until('blue', 'web1', 'DOWN');
    const moved = await visitAll(all);
    expect(moved.every((one) => /^web[23] 1$/.test(one))).toBe(true);
  });
});
