import { describe, expect, it } from '@jest/globals';
import type { ImpactList, ImpactView } from '../../src/protocol/impact.ts';
import { type FarmServer, startFarmServer, stopFarmServersAfterEach } from './farm-server.ts';
import { runProgram } from './run-program.ts';

stopFarmServersAfterEach();

function impactView(values: Partial<ImpactView> = {}): ImpactView {
  return {
    profile: 'zen3',
    installedDigest: 'i',
    nodes: ['web-1', 'web-2'],
    to: { profile: 'zen3', channel: 'stable', serial: 17, digest: 'd', path: '/binhost/x' },
    effect: 'disruptive',
    packages: [
      {
        name: 'dev-libs/openssl',
        slot: '0',
        from: 'dev-libs/openssl-3.0.1',
        to: 'dev-libs/openssl-3.0.2-r1',
        effect: 'disruptive',
        reasons: ['libssl.so.3 is mapped by php-fpm on 2 nodes', 'and so on'],
      },
      {
        name: 'app-text/tree',
        slot: '2',
        from: null,
        to: 'app-text/tree-2',
        effect: 'none',
        reasons: ['it is new'],
      },
    ],
    restarts: ['crond', 'sshd'],
    ...values,
  };
}

async function impact(server: FarmServer, ...words: readonly string[]): Promise<string> {
  const given = { env: { ROOKERY_SERVER: server.url }, cwd: '/' };
  const { code, stdout, stderr } = await runProgram(['fleet', 'impact', ...words], given);
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
}

async function answering(list: ImpactList): Promise<FarmServer> {
  const server = await startFarmServer();
  server.answer('POST /api/fleet/impact', list);
  return server;
}

describe('fleet impact', () => {
  it('shows what touches what runs, and counts the rest', async () => {
    const server = await answering({ impacts: [impactView()] });
    expect(await impact(server, 'zen3/stable')).toBe(
      [
        'zen3/stable@17 on web-1, web-2: disruptive',
        'EFFECT      PACKAGE           FROM   TO        WHY',
        'disruptive  dev-libs/openssl  3.0.1  3.0.2-r1  libssl.so.3 is mapped by php-fpm on 2 nodes',
        '1 package more, with no effect on what runs (--all lists them).',
        'To be restarted after it, in this order: crond, sshd.',
        '',
      ].join('\n'),
    );
    expect(await impact(server, 'zen3/stable', '--all')).toContain(
      'none        app-text/tree:2   -      2         it is new',
    );
  });

  it('asks for the nodes that are named, and gives all of it as JSON', async () => {
    const list = { impacts: [impactView({ packages: [] })] };
    const server = await answering(list);
    const words = ['zen3/stable@17', 'zen2/stable', '--node', 'web-1', 'web-2', '--json'];
    expect(JSON.parse(await impact(server, ...words))).toEqual(list);
    expect(JSON.parse(String(server.seen.at(-1)?.body))).toEqual({
      targets: ['zen3/stable@17', 'zen2/stable'],
      nodes: ['web-1', 'web-2'],
    });
  });

  it('says so where nothing changes, or nobody is known', async () => {
    const nodes = Array.from({ length: 480 }, (_, at) => `web-${at}`);
    const still = impactView({ nodes, effect: 'none', packages: [], restarts: [] });
    expect(await impact(await answering({ impacts: [still] }), 'zen3/stable')).toBe(
      'zen3/stable@17 on 480 nodes: none\nNothing changes.\n',
    );
    expect(await impact(await answering({ impacts: [] }), 'zen3/stable')).toBe(
      'No node of zen3/stable has said what it has installed.\n',
    );
  });
});
