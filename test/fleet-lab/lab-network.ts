import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, runChecked, toolEnvironment } from '../../src/support/processes.ts';

/** Where the nodes of a lab are. */
export interface LabNetwork {
  /** The first two numbers of all addresses. */
  readonly net: string;
  /** Of this machine, as nodes reach it. */
  readonly host: string;
  /** Whether the first process of a node is another one after each boot. */
  readonly hasBoots: boolean;
  /** What a command on a node begins with; `root` is that of the node. */
  shell(root: string): readonly string[];
  /** Gives this machine another address: for caches, and for the node that all others are copies of. */
  addAddress(address: string): Promise<void>;
  /** Makes a place for the node in this folder, which has not booted yet. */
  addNode(root: string, address: string): Promise<void>;
  stop(): Promise<void>;
}

/** Addresses of 127/8, which need nothing and keep nobody apart. */
export function loopback(): LabNetwork {
  return {
    net: `127.${64 + (process.pid % 128)}`,
    host: '127.0.0.1',
    hasBoots: false,
    shell: () => [],
    addAddress: async () => undefined,
    addNode: async () => undefined,
    stop: async () => undefined,
  };
}

/** Undefined when nodes can have namespaces of their own here; otherwise what is missing. */
export async function missingForNamespaces(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) {
    return 'root';
  }
  const missing = ['/usr/bin/nsenter', '/usr/bin/unshare'].find((path) => !existsSync(path));
  return missing ?? ((await areAllowed()) ? undefined : 'namespaces, or ip');
}

async function areAllowed(): Promise<boolean> {
  const command = ['unshare', '--net', '--pid', '--fork', '--mount-proc', 'ip', 'link'];
  return (await run(command, { env: toolEnvironment() })).exitCode === 0;
}

/** Each node has a network of its own, with a cable to a bridge of this machine, and processes that nobody else sees. */
export class Namespaces implements LabNetwork {
  readonly net = `10.${64 + (process.pid % 128)}`;
  readonly host = `${this.net}.0.254`;
  readonly hasBoots = true;
  readonly #bridge = `rk${process.pid}`;
  readonly #spaces: string[] = [];

  static async make(): Promise<Namespaces> {
    const network = new Namespaces();
    await ip('link', 'add', network.#bridge, 'type', 'bridge');
    await ip('link', 'set', network.#bridge, 'up');
    await ip('addr', 'add', `${network.host}/16`, 'dev', network.#bridge);
    return network;
  }

  shell(root: string): readonly string[] {
    return ['sh', join(root, 'node.sh'), 'within'];
  }

  async addAddress(address: string): Promise<void> {
    await ip('addr', 'add', `${address}/32`, 'dev', this.#bridge);
  }

  async addNode(root: string, address: string): Promise<void> {
    const place = this.#spaces.length + 1;
    const space = `${this.#bridge}-${place}`;
    const cable = `${this.#bridge}v${place}`;
    this.#spaces.push(space);
    await ip('netns', 'add', space);
    await ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space);
    await ip('link', 'set', cable, 'master', this.#bridge, 'up');
    await ip('-n', space, 'addr', 'add', `${address}/16`, 'dev', 'eth0');
    await ip('-n', space, 'link', 'set', 'eth0', 'up');
    await ip('-n', space, 'link', 'set', 'lo', 'up');
    writeFileSync(join(root, 'netns'), `${space}\n`);
  }

  /** With a namespace its end of the cable goes, and with that the other one. */
  async stop(): Promise<void> {
    for (const space of this.#spaces) {
      await run(['ip', 'netns', 'del', space], { env: toolEnvironment() });
    }
    await run(['ip', 'link', 'del', this.#bridge], { env: toolEnvironment() });
  }
}

async function ip(...words: readonly string[]): Promise<void> {
  await runChecked(['ip', ...words], { env: toolEnvironment() });
}
