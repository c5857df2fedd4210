import { describe, expect, it } from '@jest/globals';
import { startFarmServer, stopFarmServersAfterEach } from './farm-server.ts';
import { runProgram } from './run-program.ts';

stopFarmServersAfterEach();

const COLLECTION = {
  dryRun: true,
  profiles: [
    {
      profile: 'web-v3',
      publications: [
        { channel: 'stable', serial: 1, createdAt: 1, keep: false, holders: [], bytes: 2048 },
        {
          channel: 'stable',
          serial: 2,
          createdAt: 2,
          keep: true,
          holders: ['shown by stable', 'last 10 of stable'],
          bytes: 1024,
        },
      ],
      packages: [
        {
          id: 'pkg-1',
          cpv: 'app-misc/a-1',
          buildId: 1,
          path: 'app-misc/a/a-1-1.gpkg.tar',
          size: 1,
        },
      ],
      going: { files: 3, bytes: 2049 },
      staying: [{ holder: 'stable 2 (shown by stable)', files: 2, bytes: 1024 }],
    },
  ],
  rows: {},
};

describe('repository collect', () => {
  it('says what would go, and what holds what stays', async () => {
    const server = await startFarmServer();
    server.answer('POST /api/repository/collect', COLLECTION);
    const words = ['repository', 'collect', 'web-v3', '--dry-run', '--server', server.url];
    const { stdout, code } = await runProgram(words);
    expect(code).toBe(0);
    expect(stdout).toContain('would go: 1 publication, 1 package, 2.0 KiB\n  stable 1\n');
    expect(stdout).toContain('stable 2 (shown by stable)');
    expect(stdout).toContain('stable 2: shown by stable; last 10 of stable');
    expect(JSON.parse(server.seen[0]?.body.toString() ?? '')).toEqual({
      dryRun: true,
      profile: 'web-v3',
    });
    const { stdout: json } = await runProgram([...words, '--json']);
    expect(JSON.parse(json)).toEqual(COLLECTION);
  });

  it('asks how far it is while it runs', async () => {
    const server = await startFarmServer();
    server.on('POST /api/repository/collect', (_, response) => {
      setTimeout(() => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ ...COLLECTION, dryRun: false }));
      }, 1400);
    });
    server.answer('GET /api/repository/collect', {
      underWay: { profile: 'web-v3', stage: 'removing', done: 1, total: 2 },
    });
    const { stdout, stderr, code } = await runProgram([
      'repository',
      'collect',
      '--server',
      server.url,
    ]);
    expect([code, stderr]).toEqual([0, 'collecting web-v3: 1 of 2\n']);
    expect(stdout).toContain('gone: 1 publication');
  });

  it('pins and unpins', async () => {
    const server = await startFarmServer();
    const path = '/api/profiles/web-v3/channels/stable/pins/2';
    const pin = { profile: 'web-v3', channel: 'stable', serial: 2, author: 'a', createdAt: 1 };
    server.answer(`PUT ${path}`, { ...pin, reason: 'audit' });
    server.on(`DELETE ${path}`, (_, response) => {
      response.writeHead(204).end();
    });
    const at = ['web-v3', 'stable', '2', '--server', server.url];
    const pinned = await runProgram(['channel', 'pin', ...at, '--reason', 'audit']);
    expect(pinned.stdout).toBe('web-v3/stable 2 is pinned.\n');
    const unpinned = await runProgram(['channel', 'unpin', ...at]);
    expect(unpinned.stdout).toBe('web-v3/stable 2 is no longer pinned.\n');
    expect((await runProgram(['channel', 'pin', ...at])).code).not.toBe(0);
  });
});
