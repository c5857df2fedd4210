import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { PHP_INI } from '../../src/phptree/tree-templates.ts';
import {
  rolloutDetailSchema,
  type WaitReasonView,
  whyListSchema,
} from '../../src/protocol/rollouts.ts';
import { run, toolEnvironment } from '../../src/support/processes.ts';
import type { PhpNode } from '../php-node/node.ts';
import { type RsyncDaemon, startRsync } from '../php-node/rsync-daemon.ts';
import { insist } from '../support/insist.ts';
import { MAIN, TestServer } from '../support/rookery-process.ts';
import { FleetLab, knownHost } from './fleet-lab.ts';
import { type LabNetwork, loopback } from './lab-network.ts';
import type { LabNode } from './lab-node.ts';

export const PROFILE = 'web';
const PROFILE_TOML = `
description = "Nodes of the lab"
arch = "amd64"
chost = "x86_64-pc-linux-gnu"
cflags = "-O2"
executor = "source"
channels = ["testing", "stable"]
`;

const importedSchema = z.object({ tree: z.object({ id: z.string() }) });
const summarySchema = z.object({ id: z.string() });
export type RolloutSeen = z.infer<typeof rolloutDetailSchema>;

/** Longest time of a rollout in the lab, on a machine that does other things as well. */
export const ROLLOUT_MS = 300_000;

/** Ends of a rollout. */
const ENDS = ['aborted', 'done', 'done-with-held', 'paused', 'discarded'];

/** A server that runs, and the command line for it. */
export interface Rookery {
  readonly server: TestServer;
  /** Throws with what it said when it fails. */
  readonly rookery: (...args: readonly string[]) => Promise<string>;
}

export interface WorldSettings {
  readonly farms: number;
  readonly members: number;
  /** Called for where the nodes are; otherwise on the loopback. The world ends it. */
  readonly network?: () => Promise<LabNetwork>;
  /** Called when the server runs, before nodes are made of it. */
  readonly publish?: (world: Rookery) => Promise<void>;
  /** Called with the node that all others are copies of, a client of the server. */
  readonly prepare?: (template: PhpNode, world: Rookery) => Promise<void>;
}

/** A real Rookery server, and a lab whose nodes are its clients. `stop` it. */
export class FleetWorld {
  readonly server: TestServer;
  readonly lab: FleetLab;
  /** PHP trees: the one that nodes serve at first, and another one. */
  readonly trees: readonly [string, string];
  readonly #parts: Parts;

  private constructor(of: Pick<FleetWorld, 'server' | 'lab' | 'trees'>, parts: Parts) {
    this.server = of.server;
    this.lab = of.lab;
    this.trees = of.trees;
    this.#parts = parts;
  }

  static async open(folder: string, settings: WorldSettings): Promise<FleetWorld> {
    chmodSync(folder, 0o755);
    const phpFolder = join(folder, 'mirror-root/php');
    mkdirSync(phpFolder, { recursive: true });
    const network = (await settings.network?.()) ?? loopback();
    const parts: Parts = { network };
    try {
      const { host } = network;
      const daemon = await startRsync(phpFolder, join(folder, 'rsyncd.conf'), host);
      parts.daemon = daemon;
      const server = await startServer(folder, daemon, host);
      parts.server = server;
      const begun = rookeryOf(server);
      await settings.publish?.(begun);
      const first = await importTree(server, []);
      const ini = join(folder, 'second.ini');
      writeFileSync(ini, PHP_INI.replace('memory_limit = 128M', 'memory_limit = 512M'));
      const second = await importTree(server, ['--php-ini', ini]);
      const script = await (await fetch(`${server.url}/setup/${PROFILE}/stable.sh`)).text();
      const { farms, members, prepare } = settings;
      const lab = await FleetLab.start({
        farms,
        members,
        network,
        prepare: async (template) => await prepare?.(template, begun),
        folder: join(folder, 'lab'),
        profile: PROFILE,
        setupScript: () => script,
        trees: [first, second],
      });
      parts.lab = lab;
      const { nodes, places } = lab;
      const lines = nodes.map((node) => knownHost(node, places));
      writeFileSync(join(folder, 'known-hosts'), lines.join(''));
      return new FleetWorld({ server, lab, trees: [first, second] }, parts);
    } catch (error) {
      await stopAll(parts);
      throw error;
    }
  }

  async stop(): Promise<void> {
    await stopAll(this.#parts);
  }

  /** Runs a command against the server. Throws with what it said when it fails. */
  async rookery(...args: readonly string[]): Promise<string> {
    return await rookery(this.server, args);
  }

  /** Imports another tree, for nodes to be switched to; the id. */
  async importTree(...more: readonly string[]): Promise<string> {
    return await importTree(this.server, more);
  }

  /** The inventory of the lab, as an administrator writes it. */
  inventory(): string {
    const { site, places } = this.lab;
    const [balancer] = site.balancers;
    const lines = [
      `[site.${site.name}]`,
      `[site.${site.name}.balancer.lb1]`,
      'driver = "haproxy"',
      `socket = "${balancer?.driver === 'haproxy' ? balancer.socket : ''}"`,
      'member-backend = "members_{farm}"',
      'farm-backends = ["blue", "green"]',
    ];
    for (const { name, members, memcached } of site.farms) {
      const address = members[0]?.ssh.host.replace(/\d+$/, '{index}');
      lines.push(
        `[site.${site.name}.farm.${name}]`,
        `members = "${name}-[1-${members.length}]"`,
        `address = "${address}"`,
        `ssh-port = ${places.sshPort}`,
        `memcached = [${memcached.map(({ host, port }) => `"${host}:${port}"`).join(', ')}]`,
        `profile = "${PROFILE}"`,
        'web-server = "nginx"',
        `ssh-user = "${members[0]?.ssh.user}"`,
      );
    }
    return `${lines.join('\n')}\n`;
  }

  /** Gives the server the inventory, and has all nodes tell it about themselves. */
  async describe(): Promise<void> {
    const files = [{ name: 'fleet.toml', text: this.inventory() }];
    const answer = await this.server.call('PUT', '/api/fleet/inventory', {
      format: 'toml',
      files,
      reason: 'a test',
    });
    if (answer.status !== 200) {
      throw new Error(JSON.stringify(answer));
    }
    await this.report();
  }

  /** Has nodes tell the server about themselves. */
  async report(nodes: readonly LabNode[] = this.lab.nodes): Promise<void> {
    await Promise.all(
      nodes.map(async (node) => {
        const token = join(this.server.folder, 'state/tokens/admin.token');
        const program = node.php.path('usr/local/sbin/rookery-node');
        const command = [
          ...node.php.shell,
          program,
          'report',
          '--name',
          node.name,
          '--token-file',
          token,
        ];
        const { exitCode, stdout, stderr } = await run(command, { env: node.env });
        // 1: it was reported, and is no proof of a publication.
        if (exitCode > 1) {
          throw new Error(
            `${command.join(' ')} ended with ${exitCode}: ${stdout.toString()}${stderr}`,
          );
        }
      }),
    );
  }

  /** Plans, approves and starts; the id. */
  async roll(
    kind: string,
    targets: readonly string[],
    policy: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const body = { kind, targets, policy: { ...QUICK, ...policy }, reason: 'a test' };
    const planned = await this.server.call('POST', '/api/rollouts', body);
    if (planned.status !== 201) {
      throw new Error(`no plan: ${JSON.stringify(planned)}`);
    }
    const { id } = summarySchema.parse(planned.body);
    for (const deed of ['approve', 'start']) {
      const answer = await this.server.call('POST', `/api/rollouts/${id}/${deed}`, {});
      if (answer.status !== 200) {
        throw new Error(`${deed}: ${JSON.stringify(answer)}`);
      }
    }
    return id;
  }

  /** Ends one that is paused. */
  async aborted(id: string): Promise<RolloutSeen> {
    const answer = await this.server.call('POST', `/api/rollouts/${id}/abort`, {
      reason: 'a test',
    });
    if (answer.status !== 200) {
      throw new Error(JSON.stringify(answer));
    }
    return await this.ended(id);
  }

  /** What it waits for. */
  async why(id: string): Promise<readonly WaitReasonView[]> {
    const { body } = await this.server.call('GET', `/api/rollouts/${id}/why`);
    return whyListSchema.parse(body).reasons;
  }

  async rollout(id: string): Promise<RolloutSeen> {
    return rolloutDetailSchema.parse((await this.server.call('GET', `/api/rollouts/${id}`)).body);
  }

  /** What it has ended as; a pause is an end here, nobody resumes it. */
  async ended(id: string, timeoutMs = ROLLOUT_MS): Promise<RolloutSeen> {
    const look = async (): Promise<RolloutSeen | undefined> => {
      const seen = await this.rollout(id);
      return ENDS.includes(seen.state) ? seen : undefined;
    };
    return await insist(`the rollout ${id} to end`, look, timeoutMs);
  }
}

/** Without waits that only people need. */
const QUICK = {
  canarySoakSeconds: 0,
  soakSeconds: 0,
  drainSeconds: 20,
};

/** What has to be stopped. */
interface Parts {
  readonly network: LabNetwork;
  daemon?: RsyncDaemon;
  server?: TestServer;
  lab?: FleetLab;
}

/** What fails does not keep the others running. */
async function stopAll({ network, daemon, server, lab }: Parts): Promise<void> {
  const ends = await Promise.allSettled([lab?.stop(), server?.program.kill(), daemon?.stop()]);
  await network.stop();
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) {
    throw failed.reason;
  }
}

function rookeryOf(server: TestServer): Rookery {
  return { server, rookery: async (...args) => await rookery(server, args) };
}

async function startServer(folder: string, daemon: RsyncDaemon, host: string): Promise<TestServer> {
  const settings = [
    '[rsync]',
    `public-url = "${daemon.url.replace(/\/php$/, '')}"`,
    '[fleet]',
    `ssh-identity = "${join(folder, 'lab/keys/client')}"`,
    `ssh-known-hosts = "${join(folder, 'known-hosts')}"`,
    // Where it is, the PATH of each node says: they share one file system.
    'node-program = "rookery-step"',
    'grace-seconds = 2',
  ];
  const server = await TestServer.create(folder, settings.join('\n'), 'server', host);
  mkdirSync(join(folder, 'profiles', PROFILE), { recursive: true });
  writeFileSync(join(folder, 'profiles', PROFILE, 'profile.toml'), PROFILE_TOML);
  await server.start();
  return server;
}

async function importTree(server: TestServer, more: readonly string[]): Promise<string> {
  const args = ['php', 'import', PROFILE, '/', '--version', '8.2', '--json', ...more];
  const { tree } = importedSchema.parse(JSON.parse(await rookery(server, args)));
  return tree.id;
}

async function rookery(server: TestServer, args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await run([process.execPath, MAIN, ...args], {
    env: { ...toolEnvironment(), ROOKERY_SERVER: server.url },
    cwd: server.folder,
  });
  if (exitCode !== 0) {
    throw new Error(
      `rookery ${args.join(' ')} ended with ${exitCode}: ${stdout.toString()}${stderr}`,
    );
  }
  return stdout.toString();
}
