import { describe, expect, it } from '@jest/globals';
import { type FarmServer, startFarmServer, stopFarmServersAfterEach } from './farm-server.ts';
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

const TASK = {
  id: 'collection-1',
  state: 'running',
  profile: null,
  dryRun: true,
  actor: 'token:ops',
  startedAt: 1,
  finishedAt: null,
  collection: null,
  error: null,
};

/** A server that begins this collection, and tells these steps of it, one event each. */
async function collectingServer(...steps: readonly object[]): Promise<FarmServer> {
  const server = await startFarmServer();
  server.answer('POST /api/repository/collect', TASK, 202);
  server.on('GET /api/repository/collect/events', (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(steps.map((step) => `data: ${JSON.stringify(step)}\n\n`).join(''));
  });
  return server;
}

function reached(profile: string, stage: string, count: number): object {
  return { task: TASK, underWay: { profile, stage, done: count, total: 2 } };
}

function done(collection: object): object {
  return { task: { ...TASK, state: 'done', finishedAt: 2, collection }, underWay: null };
}

describe('repository collect', () => {
  it('says what would go, and what holds what stays', async () => {
    const server = await collectingServer(done(COLLECTION));
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

  it('follows it, with a bar for each profile and stage', async () => {
    const server = await collectingServer(
      reached('web-v3', 'looking', 2),
      reached('web-v3', 'removing', 1),
      reached('web-v3', 'removing', 2),
      reached('web-v4', 'removing', 2),
      done({ ...COLLECTION, dryRun: false }),
    );
    const { stdout, stderr, code } = await runProgram([
      'repository',
      'collect',
      '--server',
      server.url,
    ]);
    expect(code).toBe(0);
    expect(stderr.split('\n').map((line) => line.replace(/:.*/, ''))).toEqual(
      expect.arrayContaining(['looking at web-v3', 'collecting web-v3', 'collecting web-v4']),
    );
    expect(stdout).toContain('gone: 1 publication');
  });

  it.each([
    [
      'failed',
      { task: { ...TASK, state: 'failed', error: 'There is no room.' }, underWay: null },
      'There is no room.',
    ],
    ['is not known any more', { task: null, underWay: null }, 'started again'],
    [
      'is another one by now',
      { task: { ...TASK, id: 'collection-2' }, underWay: null },
      'started again',
    ],
  ])('fails when it %s', async (_, step, sentence) => {
    const server = await collectingServer(step);
    const { stderr, code } = await runProgram(['repository', 'collect', '--server', server.url]);
    expect(code).not.toBe(0);
    expect(stderr).toContain('The collection has not finished');
    expect(stderr).toContain(sentence);
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
