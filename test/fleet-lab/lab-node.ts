import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Member } from '../../src/fleet/inventory/inventory.ts';
import { run, runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { PhpNode } from '../php-node/node.ts';
import { WebServer } from '../php-node/web-server.ts';
import type { LabNetwork } from './lab-network.ts';

const SSHD = '/usr/sbin/sshd';
/** Folder for temporary files in the root of a node; also in node.sh. */
const TEMPORARY = 'tmp';

/** What all nodes of a lab share. */
export interface LabPlaces {
  readonly network: LabNetwork;
  readonly profile: string;
  readonly sshPort: number;
  readonly webPort: number;
  /** Private host key, and the public keys that may log in. */
  readonly hostKey: string;
  readonly authorizedKeys: string;
  /** Releases of the application, a folder each. */
  readonly releases: string;
  readonly database: string;
}

export interface NodePlan {
  readonly farm: string;
  readonly index: number;
  readonly address: string;
  /** `host:port` of the farm's. */
  readonly memcached: string;
}

/** A node: a root folder, an address of its own, sshd, nginx and PHP trees, and an init system that can boot it anew. */
export class LabNode {
  readonly name: string;
  readonly plan: NodePlan;
  readonly php: PhpNode;
  readonly #places: LabPlaces;

  private constructor(php: PhpNode, plan: NodePlan, places: LabPlaces) {
    this.php = php;
    this.plan = plan;
    this.#places = places;
    this.name = `${plan.farm}-${plan.index}`;
  }

  /** What the nodes are copies of: has served once with this tree and release, and is ended. */
  static async image(
    php: PhpNode,
    options: {
      readonly plan: NodePlan;
      readonly places: LabPlaces;
      readonly tree: string;
      readonly release: string;
    },
  ): Promise<LabNode> {
    const { plan, places, tree, release } = options;
    const image = new LabNode(php, plan, places);
    image.#settle();
    try {
      await WebServer.start(php, 'nginx', plan.address, {
        port: places.webPort,
        edit: (shipped) => image.#siteOf(shipped),
      });
      php.put('etc/php-site/pools/local.conf', image.#pool());
      await php.must(0, 'activate', tree);
      await image.step('do', 'activate-release', release, await image.digestOf(release));
    } finally {
      await image.init('kill');
    }
    return image;
  }

  /** Another node of the same past, running. */
  async copy(root: string, plan: NodePlan): Promise<LabNode> {
    const image = this.php.root;
    // Trees are never changed: their files are shared.
    const script = [
      'mkdir "$2" && cd "$1" && for name in *; do [ "$name" = opt ] || cp -a "$name" "$2/"; done',
      'mkdir "$2/opt" && cp -al opt/php "$2/opt/php"',
      'cd "$2"',
      'grep -rlIF --exclude-dir=opt "$1" . | xargs sed -i "s|$1|$2|g"',
      'for link in $(find . -path ./opt -prune -o -type l -print); do',
      '  to=$(readlink "$link"); case $to in "$1"/*) ln -sfn "$2${to#"$1"}" "$link" ;; esac',
      'done',
      'sed -i "s|$3:|$4:|g" web/server.conf etc/rookery/php.conf',
    ];
    await runChecked(
      ['sh', '-euc', script.join('\n'), 'sh', image, root, this.plan.address, plan.address],
      { env: toolEnvironment() },
    );
    const { network } = this.#places;
    const node = new LabNode(prefixAt(root), plan, this.#places);
    node.php.shell = network.shell(root);
    node.#settle();
    node.php.put('etc/php-site/pools/local.conf', node.#pool());
    await network.addNode(root, plan.address);
    await node.init('boot');
    return node;
  }

  get member(): Member {
    const { farm, index, address } = this.plan;
    const { profile, sshPort } = this.#places;
    return {
      node: this.name,
      farm,
      index,
      ssh: { host: address, port: sshPort, user: userInfo().username },
      profile,
      webServer: 'nginx',
      rack: null,
      weight: 1,
      isEager: false,
    };
  }

  /** The release's root, instead of one folder for all times; and a node may ask itself by the address that it has. */
  #siteOf(shipped: string): string {
    const include = this.php.path('etc/web/release*.conf');
    return shipped
      .replace(
        'root /srv/www;',
        `set $rookery_release /nowhere;\n    include ${include};\n    root $rookery_release;`,
      )
      .replace(
        'allow 127.0.0.0/8;',
        `allow 127.0.0.0/8; allow ${this.#places.network.net}.0.0/16;`,
      );
  }

  #pool(): string {
    const values = {
      LAB_NODE: this.name,
      LAB_FARM: this.plan.farm,
      LAB_MEMCACHED: this.plan.memcached,
      LAB_DATABASE: this.#places.database,
    };
    const lines = Object.entries(values).map(([name, value]) => `env[${name}] = ${value}`);
    return ['request_terminate_timeout = 30', ...lines, ''].join('\n');
  }

  #settle(): void {
    const { php, plan } = this;
    const { network, sshPort, webPort, hostKey, authorizedKeys, releases } = this.#places;
    copyFileSync(join(import.meta.dirname, 'node.sh'), php.path('node.sh'));
    mkdirSync(php.path('run'), { recursive: true });
    php.put('boot-id', 'boot-1\n');
    const init = `sh ${php.path('node.sh')}`;
    const step = {
      'stop-command': `${init} web-stop`,
      'start-command': `${init} web-start`,
      'running-command': `${init} web-running`,
      'reboot-command': `${init} reboot`,
      ...(network.hasBoots ? {} : { 'boot-id-file': php.path('boot-id') }),
      releases,
      'release-include': php.path('etc/web/release.conf'),
      'release-url': `http://${plan.address}:${webPort}/release.php`,
    };
    php.put(
      'etc/rookery/step.conf',
      Object.entries(step)
        .map(([key, value]) => `${key} = ${value}\n`)
        .join(''),
    );
    php.put('etc/rookery/checks.d/page', pageCheck(`http://${plan.address}:${webPort}/index.php`));
    chmodSync(php.path('etc/rookery/checks.d/page'), 0o755);
    const path = `${php.path('usr/local/sbin')}:${toolEnvironment()['PATH']}`;
    php.put(
      'etc/sshd_config',
      [
        `ListenAddress ${plan.address}`,
        `Port ${sshPort}`,
        `HostKey ${hostKey}`,
        `AuthorizedKeysFile ${authorizedKeys}`,
        `PidFile ${php.path('run/sshd.pid')}`,
        // A home of its own: what the user of this machine has in his is run by each session otherwise.
        `SetEnv LAB_ROOT=${php.root} PATH=${path} HOME=${php.root} TMPDIR=${php.path(TEMPORARY)}`,
        'StrictModes no',
        'UsePAM no',
        'PasswordAuthentication no',
        'PermitRootLogin prohibit-password',
        'MaxStartups 100',
        '',
      ].join('\n'),
    );
  }

  /** What programs of the node that are started from outside find. */
  get env(): Readonly<Record<string, string>> {
    return { ...toolEnvironment(), TMPDIR: this.php.path(TEMPORARY) };
  }

  /** Calls `rookery-step` on the node, by hand. Returns what it says. */
  async step(...words: readonly string[]): Promise<string> {
    const program = this.php.path('usr/local/sbin/rookery-step');
    const { stdout } = await runChecked([...this.php.shell, program, ...words], {
      env: this.env,
      timeoutMs: 60_000,
    });
    return stdout.toString();
  }

  async digestOf(release: string): Promise<string> {
    const lines = (await this.step('releases')).split('\n');
    const [, digest = ''] =
      lines.map((line) => line.split(' ')).find(([one]) => one === release) ?? [];
    return digest;
  }

  /** Has the init system do something; see node.sh. */
  async init(deed: 'boot' | 'web-start' | 'web-stop' | 'kill' | 'reboot'): Promise<void> {
    await runChecked(['sh', this.php.path('node.sh'), deed], { env: toolEnvironment() });
  }

  async isWebRunning(): Promise<boolean> {
    const { exitCode } = await run(['sh', this.php.path('node.sh'), 'web-running'], {
      env: toolEnvironment(),
    });
    return exitCode === 0;
  }

  get bootId(): string {
    return this.php.read('boot-id').trim();
  }

  /** How often it was started anew. */
  get reboots(): number {
    return this.#lines('reboots');
  }

  /** How often its packages were merged, where emerge has a stand-in. */
  get merges(): number {
    return this.#lines('merges');
  }

  #lines(file: string): number {
    return this.php.has(file) ? this.php.read(file).trim().split('\n').length : 0;
  }

  /** The next reboot, whoever asks for it, is its last. */
  staysDown(does: boolean): void {
    const file = this.php.path('stays-down');
    if (does) {
      this.php.put('stays-down', '');
    } else {
      rmSync(file, { force: true });
    }
  }
}

/** What administrators look at: a page that needs all that visitors need. */
function pageCheck(url: string): string {
  return [
    '#!/bin/sh',
    'if command -v curl > /dev/null; then',
    `  exec curl -fsS --max-time 10 -o /dev/null ${url}`,
    'fi',
    `exec wget -q -T 10 -t 1 -O /dev/null ${url}`,
    '',
  ].join('\n');
}

/**
 * A node whose root is a prefix: its programs know where they are. What they leave when they are killed stays below it, and
 * is gone with the lab.
 */
export function prefixAt(root: string): PhpNode {
  const node = PhpNode.at(root);
  const temporary = join(root, TEMPORARY);
  mkdirSync(temporary, { recursive: true });
  // php-fpm runs as nobody when the tests run as root.
  chmodSync(temporary, 0o1777);
  node.env = { ROOKERY_ROOT: '', TMPDIR: temporary };
  return node;
}

/** Ends all processes of a node, as far as it was made. */
export async function killNode(root: string): Promise<void> {
  if (existsSync(join(root, 'node.sh'))) {
    await runChecked(['sh', join(root, 'node.sh'), 'kill'], { env: toolEnvironment() });
  }
}

export function isSshdInstalled(): boolean {
  return existsSync(SSHD);
}
