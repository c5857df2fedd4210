import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from '@jest/globals';
import { HaproxyDriver } from '../../../src/fleet/drivers/haproxy.ts';
import { HaproxySockets } from '../../../src/fleet/drivers/haproxy-socket.ts';
import { isHaproxyInstalled } from '../../support/haproxy.ts';
import { poll } from '../../support/poll.ts';
import { freePort } from '../../support/rookery-process.ts';
import { makeIdentity, sshdIsMissing, startSshd } from '../../support/sshd.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { type BalancerHarness, balancerContract, MEMBERS } from './balancer.ts';
import { NAMES, startHaproxy } from './haproxy.ts';
import { type MemberServer, startMember } from './member-server.ts';
import { testSite } from './test-site.ts';

const folder = temporaryFolder();

/** Two real HAProxy: one is asked over TCP, the other's socket is reached through ssh. */
async function openHaproxy(): Promise<BalancerHarness> {
  const place = await mkdtemp(join(folder, 'ha-'));
  const members = new Map<string, MemberServer>();
  for (const node of MEMBERS) {
    members.set(node, await startMember(node));
  }
  const ports = new Map([...members].map(([node, { port }]) => [node, port]));
  const one = await startHaproxy(join(place, 'one'), ports);
  const two = await startHaproxy(join(place, 'two'), ports);
  const identityFile = await makeIdentity(place);
  const knownHostsFile = join(place, 'known-hosts');
  const sshd = await startSshd({ folder: join(place, 'sshd'), identityFile, knownHostsFile });
  const sockets = new HaproxySockets(
    { identityFile, knownHostsFile, configFile: null, connectTimeoutSeconds: 5, keepSeconds: 20 },
    10_000,
  );
  const site = testSite([
    { name: 'lb1', socket: one.tcpSocket, ...NAMES },
    {
      name: 'lb2',
      socket: `ssh://${sshd.user}@${sshd.host}:${sshd.port}${two.unixSocket}`,
      ...NAMES,
    },
  ]);
  return {
    driver: new HaproxyDriver(sockets),
    site,
    nobody: { name: 'lb3', socket: `tcp://127.0.0.1:${await freePort()}`, ...NAMES },
    hasFarms: true,
    setHealth: async (node, isWell) => {
      Object.assign(members.get(node) ?? {}, { isWell });
    },
    restart: async ({ name }) => {
      await (name === 'lb1' ? one : two).restart();
    },
    request: async (node) => {
      const answer = fetch(`${one.url}/${node}/slow`);
      const { waiting } = members.get(node) ?? { waiting: [] };
      await poll('the request to arrive', () => (waiting.length > 0 ? true : undefined));
      return async () => {
        waiting.splice(0).forEach((response) => response.end('late'));
        await (await answer).text();
      };
    },
    close: async () => {
      await sockets.close();
      await Promise.all([one.stop(), two.stop(), sshd.stop()]);
      await Promise.all([...members.values()].map(async (member) => await member.close()));
    },
  };
}

const missing = (await isHaproxyInstalled()) ? await sshdIsMissing() : 'no haproxy';
if (missing === undefined) {
  balancerContract('HAProxy', openHaproxy);
} else {
  describe(`HAProxy (skipped: ${missing})`, () => {
    it.skip('is driven', () => {});
  });
}
