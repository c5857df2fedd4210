import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isErrno } from '../../src/support/errors.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { poll } from '../support/poll.ts';
import { freePort } from '../support/rookery-process.ts';
import type { PhpNode } from './node.ts';

const SHIPPED = resolve(import.meta.dirname, '../../scripts/php');
const MODULES = '/usr/lib/apache2/modules';
const COMMON = ['authz_core', 'authz_host', 'alias'];

export type WebServerKind = 'nginx' | 'apache' | 'apache-mod-php';

/** What is installed here and what of it is not. */
export function missingFor(kind: WebServerKind): string | undefined {
  const needs = {
    nginx: '/usr/sbin/nginx',
    apache: `${MODULES}/mod_proxy_fcgi.so`,
    'apache-mod-php': `${MODULES}/libphp8.2.so`,
  };
  return existsSync(needs[kind]) ? undefined : needs[kind];
}

/** A real web server of a node, on an address of its own, with the configuration that is shipped. */
export class WebServer {
  readonly url: string;
  readonly kind: WebServerKind;
  readonly #node: PhpNode;
  readonly #port: number;
  readonly #address: string;
  readonly #edit: (shipped: string) => string;

  private constructor(
    node: PhpNode,
    kind: WebServerKind,
    at: { address: string; port: number; edit: (shipped: string) => string },
  ) {
    this.#node = node;
    this.#edit = at.edit;
    this.kind = kind;
    this.#address = at.address;
    this.#port = at.port;
    this.url = `http://${at.address}:${at.port}`;
  }

  /**
   * Started without PHP, as a node is before its first activation, with settings for `rookery-php`. `edit` changes the
   * configuration that is shipped.
   */
  static async start(
    node: PhpNode,
    kind: WebServerKind,
    address: string,
    { port = 0, edit = (shipped: string) => shipped } = {},
  ): Promise<WebServer> {
    const at = { address, port: port === 0 ? await freePort() : port, edit };
    const server = new WebServer(node, kind, at);
    for (const folder of ['web', 'etc/web', 'srv/www']) {
      mkdirSync(node.path(folder), { recursive: true });
    }
    node.put('etc/php-site/pools/local.conf', 'request_terminate_timeout = 30\n');
    node.put('srv/www/id.php', "<?php echo get_cfg_var('rookery.tree');");
    node.put('srv/www/slow.php', "<?php usleep(400000); echo get_cfg_var('rookery.tree');");
    server.configure(false);
    await runChecked(server.#command(), { env: toolEnvironment() });
    server.configure(true);
    server.settings();
    return server;
  }

  get #conf(): string {
    return this.#node.path('web/server.conf');
  }

  get include(): string {
    return this.#node.path('etc/web/rookery-php.conf');
  }

  #command(...args: readonly string[]): string[] {
    const folder = this.#node.path('web');
    return this.kind === 'nginx'
      ? ['nginx', '-e', join(folder, 'error.log'), '-p', folder, '-c', this.#conf, ...args]
      : ['apache2', '-d', folder, '-f', this.#conf, ...args];
  }

  get reloadCommand(): string {
    const args = this.kind === 'nginx' ? ['-s', 'reload'] : ['-k', 'graceful'];
    return this.#command(...args).join(' ');
  }

  /** Writes etc/rookery/php.conf, with more of it. */
  settings(more: Readonly<Record<string, string>> = {}): void {
    const values = {
      'web-server': this.kind,
      include: this.include,
      'test-command': this.#command('-t').join(' '),
      'reload-command': this.reloadCommand,
      'stop-command': this.#command('-k', 'graceful-stop').join(' '),
      'start-command': this.#command('-k', 'start').join(' '),
      'check-url': `${this.url}/rookery-php-check`,
      'min-free-mb': '1',
      ...more,
    };
    const lines = Object.entries(values).map(([key, value]) => `${key} = ${value}\n`);
    this.#node.put('etc/rookery/php.conf', lines.join(''));
  }

  /** Of etc/rookery/step.conf: how steps of rollouts stop and start it. */
  stepSettings(): string {
    const pid = this.#node.path('web/pid');
    const values = {
      'stop-command': this.#command('-k', 'graceful-stop').join(' '),
      'start-command': this.#command('-k', 'start').join(' '),
      'running-command': `kill -0 "$(cat ${pid})"`,
    };
    return Object.entries(values)
      .map(([key, value]) => `${key} = ${value}\n`)
      .join('');
  }

  /** The configuration of the running server, and of the next reload. */
  configure(withPhp: boolean, more = ''): void {
    writeFileSync(
      this.#conf,
      this.kind === 'nginx' ? this.#nginx(withPhp, more) : this.#apache(withPhp, more),
    );
  }

  #shipped(): string {
    return this.#edit(readFileSync(join(SHIPPED, `${this.kind}.conf`), 'utf8'))
      .replace('listen 80;', `listen ${this.#address}:${this.#port};`)
      .replaceAll(/\/etc\/(?:nginx|apache2)\/rookery-php\.conf/g, this.include)
      .replaceAll('/var/lib/rookery', this.#node.path('var/lib/rookery'))
      .replaceAll('/srv/www', this.#node.path('srv/www'));
  }

  #nginx(withPhp: boolean, more: string): string {
    const folder = this.#node.path('web');
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${folder}/${name};`,
    );
    const user = process.getuid?.() === 0 ? 'user root;' : '';
    const plain = `server { listen ${this.#address}:${this.#port}; }`;
    return [
      `${user} worker_processes 1; pid ${folder}/pid;`,
      'worker_shutdown_timeout 30s; events { }',
      'http { access_log off;',
      ...temporary,
      withPhp ? this.#shipped() : plain,
      more,
      '}',
      '',
    ].join('\n');
  }

  #apache(withPhp: boolean, more: string): string {
    const own = this.kind === 'apache' ? ['mpm_event', 'proxy', 'proxy_fcgi'] : ['mpm_prefork'];
    const isRoot = process.getuid?.() === 0;
    return [
      ...[...own, ...COMMON].map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`),
      `PidFile ${this.#node.path('web/pid')}`,
      `ErrorLog ${this.#node.path('web/error.log')}`,
      `DefaultRuntimeDir ${this.#node.path('web')}`,
      'ServerName localhost',
      `Listen ${this.#address}:${this.#port}`,
      ...(isRoot ? ['User nobody', 'Group nogroup'] : []),
      'StartServers 1',
      withPhp ? this.#shipped() : '',
      more,
      '',
    ].join('\n');
  }

  /** Asks once a reload has reached every worker: until then an old one may take the request. */
  async get(path: string): Promise<string> {
    if (this.kind === 'nginx') {
      await poll('one worker that takes requests', () =>
        this.#workers().length === 1 ? true : undefined,
      );
    }
    const response = await fetch(`${this.url}${path}`, { headers: { connection: 'close' } });
    return await response.text();
  }

  /** The workers of nginx that take requests; those that only end theirs have more to their title. */
  #workers(): string[] {
    const master = readFileSync(this.#node.path('web/pid'), 'utf8').trim();
    const pids = readFileSync(`/proc/${master}/task/${master}/children`, 'utf8').trim().split(' ');
    return pids.filter((pid) => titleOf(pid) === 'nginx: worker process');
  }

  /** Ends it and waits until it is gone. */
  async stop(): Promise<void> {
    const file = this.#node.path('web/pid');
    if (!existsSync(file)) {
      return;
    }
    const pid = Number(readFileSync(file, 'utf8'));
    try {
      process.kill(pid, 'SIGTERM');
    } catch (error) {
      if (!isErrno(error, 'ESRCH')) {
        throw error;
      }
    }
    await poll('the web server to end', () => (existsSync(`/proc/${pid}`) ? undefined : true));
  }
}

/** Empty when the process has ended. */
function titleOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/[\0 ]+$/, '');
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ESRCH')) {
      return '';
    }
    throw error;
  }
}

/** Ends everything that a node runs. */
export async function shutDown(node: PhpNode, server: WebServer): Promise<void> {
  await server.stop();
  await node.must(0, 'retire', '--now');
  await node.must(0, 'stop');
}
