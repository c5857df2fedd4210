import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { haproxyConfiguration } from '../../src/fleet/export/haproxy.ts';
import type { Endpoint, Site } from '../../src/fleet/inventory/inventory.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { HaproxyProcess } from '../fleet/haproxy-process.ts';
import type { PhpNode } from '../php-node/node.ts';
import { askMemcached, MEMCACHED, type Memcached, startMemcached } from '../support/memcached.ts';
import { freePort } from '../support/rookery-process.ts';
import { type LabNetwork, loopback } from './lab-network.ts';
import {
  isSshdInstalled,
  killNode,
  LabNode,
  type LabPlaces,
  type NodePlan,
  prefixAt,
} from './lab-node.ts';
import { type VisitorSettings, Visitors } from './visitors.ts';

const SHIPPED = resolve(import.meta.dirname, '../../scripts/php');
const PHP = '/usr/bin/php8.2';
const NEEDS = [
  PHP,
  '/usr/sbin/php-fpm8.2',
  '/usr/lib/php/20220829/pdo_sqlite.so',
  '/usr/lib/php/20220829/memcached.so',
  '/usr/sbin/nginx',
  '/usr/sbin/haproxy',
  '/usr/bin/rsync',
  MEMCACHED,
];
/** Releases of the application, the number of each. */
const RELEASES = { v1: 1, v2: 2 };
const CHECK_PATH = '/health.php';
const STATE_FILE = 'haproxy.state';

/** Debian's packages. */
export const LAB_NEEDS =
  'haproxy, nginx-light, rsync, memcached, openssh-server, php8.2-fpm, php8.2-cli, php8.2-memcached, php8.2-sqlite3';

/** What a lab needs and this machine has not; null: it has all of it. */
export function missingForLab(): string | null {
  return NEEDS.find((path) => !existsSync(path)) ?? (isSshdInstalled() ? null : 'sshd');
}

export interface LabSettings {
  readonly folder: string;
  readonly farms: number;
  readonly members: number;
  readonly profile: string;
  /** Of the farm that nodes are clients of. */
  readonly setupScript: () => string;
  /** The first one is what nodes serve; they have all of them. */
  readonly trees: readonly string[];
  /** Called with the node that all others are copies of. */
  readonly prepare?: (template: PhpNode) => Promise<void>;
  /** Whoever has made it ends it. */
  readonly network?: LabNetwork;
  readonly haproxy?: { readonly newSessions?: 'upgraded-only' | 'any-with-floor' };
}

/**
 * A site on this machine: farms of nodes on addresses of 127/8 with real sshd, nginx, php-fpm and memcached, behind a real
 * HAProxy with the configuration that Rookery writes. Sessions are kept in SQLite. Nodes share the file system, and without a
 * network of namespaces the processes' numbers as well. `stop` it.
 */
export class FleetLab {
  readonly site: Site;
  readonly nodes: readonly LabNode[];
  readonly haproxy: HaproxyProcess;
  readonly url: string;
  readonly folder: string;
  readonly places: LabPlaces;
  readonly #memcached: readonly Memcached[];
  readonly #started: Started;

  constructor(
    parts: Pick<FleetLab, 'site' | 'nodes' | 'haproxy' | 'url' | 'folder' | 'places'>,
    started: Started,
  ) {
    this.site = parts.site;
    this.nodes = parts.nodes;
    this.haproxy = parts.haproxy;
    this.url = parts.url;
    this.folder = parts.folder;
    this.places = parts.places;
    this.#memcached = started.memcached;
    this.#started = started;
  }

  static async start(settings: LabSettings): Promise<FleetLab> {
    const started: Started = { memcached: [], roots: [], haproxy: [] };
    try {
      return new FleetLab(await startParts(settings, started), started);
    } catch (error) {
      await stopAll(started);
      throw error;
    }
  }

  node(name: string): LabNode {
    const found = this.nodes.find((node) => node.name === name);
    if (found === undefined) {
      throw new Error(`there is no node ${name} in this lab`);
    }
    return found;
  }

  visitors(settings: Partial<VisitorSettings> = {}): Visitors {
    return new Visitors({ url: this.url, ...settings });
  }

  /** Of the caches of the farms, in order: how often they were flushed. */
  async flushes(): Promise<number[]> {
    return await Promise.all(
      this.#memcached.map(async (memcached) => await memcached.statistic('cmd_flush')),
    );
  }

  /** Empties the caches of a farm. */
  async flush(endpoints: readonly Endpoint[]): Promise<void> {
    for (const { host, port } of endpoints) {
      const said = await askMemcached(host, port, 'flush_all');
      if (!said.startsWith('OK')) {
        throw new Error(`memcached at ${host}:${port} says "${said}" to flush_all`);
      }
    }
  }

  /** Gives the balancer another configuration, as its documentation says. */
  async renewBalancer(configuration: string): Promise<void> {
    await this.haproxy.reload(join(this.folder, STATE_FILE), configuration);
  }

  /** What `rookery fleet haproxy` has to be told of this lab. */
  get balancerOptions(): readonly string[] {
    return [
      ...['--bind', this.url.replace('http://', ''), '--check-path', CHECK_PATH],
      ...['--member-port', String(this.places.webPort), '--max-connections', '1000'],
      ...['--state-file', join(this.folder, STATE_FILE)],
    ];
  }

  async stop(): Promise<void> {
    await stopAll(this.#started);
  }
}

/** What has to be stopped. */
interface Started {
  readonly memcached: Memcached[];
  /** Of nodes. */
  readonly roots: string[];
  readonly haproxy: HaproxyProcess[];
}

async function stopAll({ memcached, roots, haproxy }: Started): Promise<void> {
  await Promise.all([
    ...haproxy.map(async (one) => {
      await one.stop();
    }),
    ...roots.map(async (root) => {
      await killNode(root);
    }),
    ...memcached.map(async (one) => {
      await one.stop();
    }),
  ]);
}

async function startParts(
  settings: LabSettings,
  started: Started,
): Promise<ConstructorParameters<typeof FleetLab>[0]> {
  const { folder, profile } = settings;
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  const network = settings.network ?? loopback();
  const places = { network, ...(await makePlaces(folder, profile)) };
  const farms = await planFarms(settings, network);
  for (const { cache } of farms) {
    await network.addAddress(cache.host);
    started.memcached.push(await startMemcached(cache.host, cache.port));
  }
  const image = await makeImage(settings, { places, started, farms });
  const plans = farms.flatMap(({ nodes }) => nodes);
  const nodes = await Promise.all(
    plans.map(async (plan) => {
      const root = join(folder, `${plan.farm}-${plan.index}`);
      started.roots.push(root);
      return await image.copy(root, plan);
    }),
  );
  const site = await siteOf(farms, nodes);
  const port = await freePort();
  const haproxy = await startBalancer(settings, site, { port, webPort: places.webPort });
  started.haproxy.push(haproxy);
  await Promise.all(
    nodes.map(async ({ name, plan }) => {
      await haproxy.until(`members_${plan.farm}`, name, 'UP');
    }),
  );
  return { site, nodes, haproxy, url: `http://127.0.0.1:${port}`, folder, places };
}

interface FarmPlan {
  readonly name: string;
  readonly cache: Endpoint;
  readonly nodes: readonly NodePlan[];
}

async function planFarms(
  { farms, members }: LabSettings,
  { net }: LabNetwork,
): Promise<FarmPlan[]> {
  const port = await freePort();
  return Array.from({ length: farms }, (_, place) => {
    const [name, addresses] = [`web${place + 1}`, `${net}.${place + 1}`];
    const cache = { host: `${addresses}.250`, port };
    const nodes = Array.from({ length: members }, (__, member) => ({
      farm: name,
      index: member + 1,
      address: `${addresses}.${member + 1}`,
      memcached: `${cache.host}:${port}`,
    }));
    return { name, cache, nodes };
  });
}

async function siteOf(farms: readonly FarmPlan[], nodes: readonly LabNode[]): Promise<Site> {
  const name = `lab${process.pid}`;
  const socket = `tcp://127.0.0.1:${await freePort()}`;
  return {
    name,
    balancers: [
      {
        name: 'lb1',
        driver: 'haproxy',
        socket,
        memberBackend: 'members_{farm}',
        farmBackends: ['blue', 'green'],
      },
    ],
    farms: farms.map((farm) => ({
      name: farm.name,
      site: name,
      memcached: [farm.cache],
      maxOut: 1,
      minServing: 1,
      members: nodes.filter(({ plan }) => plan.farm === farm.name).map(({ member }) => member),
    })),
    peakLoad: null,
    sessionSeconds: null,
    windows: [],
  };
}

async function makePlaces(folder: string, profile: string): Promise<Omit<LabPlaces, 'network'>> {
  const keys = join(folder, 'keys');
  mkdirSync(keys, { mode: 0o700 });
  for (const name of ['host', 'client']) {
    await runChecked(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', join(keys, name)], {
      env: toolEnvironment(),
    });
  }
  if (process.getuid?.() === 0) {
    mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  }
  const database = join(folder, 'database/sessions');
  mkdirSync(join(folder, 'database'));
  await runChecked(
    [
      PHP,
      '-r',
      'require $argv[1] . "/session-guard.php"; require $argv[1] . "/session-stores.php";' +
        '$pdo = new PDO("sqlite:" . $argv[2]); $pdo->exec("PRAGMA journal_mode = WAL");' +
        '(new Rookery\\PdoSessions($pdo))->createTable();',
      SHIPPED,
      database,
    ],
    { env: toolEnvironment() },
  );
  // php-fpm runs as nobody when the tests run as root.
  chmodSync(join(folder, 'database'), 0o777);
  chmodSync(database, 0o666);
  const releases = join(folder, 'releases');
  for (const [name, version] of Object.entries(RELEASES)) {
    makeRelease(join(releases, name), version);
  }
  return {
    profile,
    sshPort: await freePort(),
    webPort: await freePort(),
    hostKey: join(keys, 'host'),
    authorizedKeys: join(keys, 'client.pub'),
    releases,
    database,
  };
}

/** The application with a number, and the guard. */
export function makeRelease(place: string, version: number): void {
  cpSync(join(import.meta.dirname, 'app'), place, { recursive: true });
  for (const name of ['session-guard.php', 'session-stores.php']) {
    copyFileSync(join(SHIPPED, name), join(place, name));
  }
  writeFileSync(join(place, 'VERSION'), `${version}\n`);
}

async function makeImage(
  settings: LabSettings,
  made: {
    readonly places: LabPlaces;
    readonly started: Started;
    readonly farms: readonly FarmPlan[];
  },
): Promise<LabNode> {
  const root = join(settings.folder, 'image');
  made.started.roots.push(root);
  const php = prefixAt(root);
  mkdirSync(php.path('etc/portage'), { recursive: true });
  php.put('setup.sh', settings.setupScript());
  const home = ['--gnupg-home', php.path('etc/portage/gnupg')];
  await runChecked(['sh', php.path('setup.sh'), '--prefix', root, ...home], {
    env: toolEnvironment(),
  });
  for (const tree of settings.trees) {
    await php.must(0, 'pull', tree, '--profile', settings.profile);
  }
  await settings.prepare?.(php);
  const [first] = made.farms;
  const address = (first?.cache.host ?? '').replace(/250$/, '251');
  await made.places.network.addAddress(address);
  const plan = { farm: 'image', index: 0, address, memcached: `${address}:1` };
  const [tree = ''] = settings.trees;
  return await LabNode.image(php, { plan, places: made.places, tree, release: 'v1' });
}

async function startBalancer(
  { folder, haproxy }: LabSettings,
  site: Site,
  { port, webPort }: { readonly port: number; readonly webPort: number },
): Promise<HaproxyProcess> {
  const stateFile = join(folder, STATE_FILE);
  const [balancer] = site.balancers;
  const socket = balancer?.driver === 'haproxy' ? balancer.socket : '';
  const configuration = haproxyConfiguration(site, {
    pattern: 'generation-cookie',
    balancer: null,
    bind: `127.0.0.1:${port}`,
    memberPort: webPort,
    checkPath: CHECK_PATH,
    socket: null,
    maxConnections: 1000,
    stateFile,
    live: 'blue',
    generation: '1',
    newSessions: haproxy?.newSessions ?? 'any-with-floor',
  });
  return await HaproxyProcess.start({ folder, configuration, socket, stateFile });
}

/** The line of known_hosts for a node. */
export function knownHost(node: LabNode, places: LabPlaces): string {
  const key = readFileSync(`${places.hostKey}.pub`, 'utf8').trim();
  return `[${node.plan.address}]:${places.sshPort} ${key}\n`;
}
