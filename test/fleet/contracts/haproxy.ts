import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { callSocket } from '../../../src/fleet/drivers/line-call.ts';
import type { HaproxyBalancer } from '../../../src/fleet/inventory/inventory.ts';
import { exists } from '../../../src/support/files.ts';
import {
  ended,
  killGroup,
  runChecked,
  spawnGroup,
  toolEnvironment,
} from '../../../src/support/processes.ts';
import { poll } from '../../support/poll.ts';
import { freePort } from '../../support/rookery-process.ts';

export interface TestHaproxy {
  readonly url: string;
  readonly unixSocket: string;
  readonly tcpSocket: string;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Names that `startHaproxy` gives. */
export const NAMES = {
  driver: 'haproxy',
  memberBackend: 'members_{farm}',
  farmBackends: ['farms_blue', 'farms_green'],
} as const satisfies Partial<HaproxyBalancer>;

/**
 * A real HAProxy with the farms of `testSite`; `/<node>/...` is sent to that member.
 *
 * @param members - ports by node
 */
export async function startHaproxy(
  folder: string,
  members: ReadonlyMap<string, number>,
): Promise<TestHaproxy> {
  await mkdir(folder, { recursive: true });
  const [port, admin] = [await freePort(), await freePort()];
  const unixSocket = join(folder, 's');
  const file = join(folder, 'haproxy.cfg');
  const servers = (farm: string): string[] =>
    [...members].flatMap(([node, at]) =>
      node.startsWith(`${farm}-`) ? [`  server ${node} 127.0.0.1:${at} check inter 100`] : [],
    );
  const lines = [
    'global',
    `  stats socket ipv4@127.0.0.1:${admin} level admin`,
    `  stats socket ${unixSocket} mode 600 level admin`,
    'defaults',
    '  mode http',
    '  option httpchk GET /health',
    '  timeout connect 2s',
    '  timeout client 30s',
    '  timeout server 30s',
    'frontend visitors',
    `  bind 127.0.0.1:${port}`,
    ...[...members.keys()].map((node) => {
      const [farm = ''] = node.split('-');
      return `  use_backend members_${farm} if { path_beg /${node}/ }`;
    }),
    '  default_backend farms_blue',
    ...['f1', 'f2'].flatMap((farm) => [
      `backend members_${farm}`,
      '  http-request set-var(txn.node) path,field(2,/)',
      '  http-request set-path %[path,regsub(^/[^/]*,,)]',
      ...[...members.keys()].flatMap((node) =>
        node.startsWith(`${farm}-`)
          ? [`  use-server ${node} if { var(txn.node) -m str ${node} }`]
          : [],
      ),
      ...servers(farm),
    ]),
    ...['farms_blue', 'farms_green'].flatMap((backend) => [
      `backend ${backend}`,
      ...['f1', 'f2'].map(
        (farm) =>
          `  server ${farm} 127.0.0.1:${members.get(`${farm}-1`)} check inter 100${backend === 'farms_green' ? ' disabled' : ''}`,
      ),
    ]),
    '',
  ];
  await writeFile(file, lines.join('\n'));
  await runChecked(['haproxy', '-c', '-q', '-f', file], { env: toolEnvironment() });
  let stop = await start(file, admin, unixSocket);
  return {
    url: `http://127.0.0.1:${port}`,
    unixSocket,
    tcpSocket: `tcp://127.0.0.1:${admin}`,
    restart: async () => {
      await stop();
      stop = await start(file, admin, unixSocket);
    },
    stop: async () => {
      await stop();
    },
  };
}

async function start(file: string, admin: number, socket: string): Promise<() => Promise<void>> {
  const command = ['haproxy', '-db', '-q', '-f', file];
  const child = spawnGroup(command, { env: toolEnvironment() }, 'ignore');
  const ending = ended(child, command);
  await poll('HAProxy to answer', async () => {
    try {
      const options = { timeoutMs: 1000, maxBytes: 100_000 };
      const said = await callSocket({ host: '127.0.0.1', port: admin }, 'show info\n', options);
      return said.includes('Pid:') && (await exists(socket)) ? true : undefined;
    } catch {
      return undefined;
    }
  });
  return async () => {
    killGroup(child, 'SIGKILL');
    await ending;
  };
}
