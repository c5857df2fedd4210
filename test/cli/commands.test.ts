import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { digestOf } from '../../src/support/digests.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import {
  type FarmServer,
  sendJson,
  startFarmServer,
  stopFarmServersAfterEach,
} from './farm-server.ts';
import { NOON } from './noon.ts';
import { type ProgramResult, runProgram } from './run-program.ts';
import { agentView, jobView, packageView, publicationView, requestDetail } from './sample-views.ts';

stopFarmServersAfterEach();
const folder = temporaryFolder();

async function runAt(
  server: Pick<FarmServer, 'url'>,
  ...words: readonly string[]
): Promise<ProgramResult> {
  return await runProgram(words, { env: { ROOKERY_SERVER: server.url }, cwd: folder });
}

function jsonBody(server: FarmServer): unknown {
  return JSON.parse(server.seen.at(-1)?.body.toString() ?? '');
}

describe('build request', () => {
  it('asks for what the command line says and prints the request', async () => {
    const server = await startFarmServer();
    server.answer('POST /api/requests', requestDetail({ state: 'planning' }), 201);
    const words = ['web-v3', 'app-misc/rookery-web', '@web', '--publish', 'testing', '--rebuild'];
    const result = await runAt(server, 'build', 'request', ...words);
    expect(jsonBody(server)).toEqual({
      profile: 'web-v3',
      atoms: ['app-misc/rookery-web', '@web'],
      publish: 'testing',
      rebuild: true,
    });
    expect(result).toEqual({
      code: 0,
      stdout: 'request-1: planning\n',
      stderr: 'Follow it with: rookery build show request-1\n',
    });
  });

  it('waits for the end and says what came of it', async () => {
    const server = await startFarmServer();
    const done = requestDetail({
      state: 'done',
      finishedAt: NOON + 62_000,
      packages: [
        { id: 'p1', cpv: 'a/b-1', buildId: 1, how: 'built', leftOut: null },
        { id: 'p2', cpv: 'a/c-1', buildId: 3, how: 'reused', leftOut: null },
      ],
      publication: { channel: 'testing', serial: 7 },
    });
    server.answer('POST /api/requests', requestDetail(), 201);
    server.on('GET /api/requests/request-1/events', (_, response) => {
      const jobs = [jobView({ state: 'leased', agent: 'b1', attempt: 1, startedAt: NOON })];
      response.write(`data: ${JSON.stringify(requestDetail({ jobs }))}\n\n`);
      response.end(`data: ${JSON.stringify(done)}\n\nevent: end\ndata: {}\n\n`);
    });
    const plain = await runAt(server, 'build', 'request', 'web-v3', 'a/b', '--wait');
    expect(plain).toEqual({
      code: 0,
      stdout:
        'request-1: done, 2 packages (1 built, 1 reused), published on testing as 7, 1 min 02 s\n',
      stderr: 'request-1: a/b for web-v3\napp-misc/rookery-hello-1.0: building on b1\n',
    });
    const json = await runAt(server, 'build', 'request', 'web-v3', 'a/b', '--wait', '--json');
    expect(JSON.parse(json.stdout)).toEqual(done);
  });

  it('exits with 1 and a code of its own when the request is cancelled', async () => {
    const server = await startFarmServer();
    const reason = 'Cancelled by token:admin; 0 of 4 packages were built.';
    const cancelled = requestDetail({ state: 'cancelled', reason });
    server.answer('POST /api/requests', requestDetail(), 201);
    server.on('GET /api/requests/request-1/events', (_, response) => {
      response.end(`data: ${JSON.stringify(cancelled)}\n\nevent: end\ndata: {}\n\n`);
    });
    const result = await runAt(server, 'build', 'request', 'web-v3', 'a/b', '--wait');
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(
      `rookery: Request request-1 is cancelled: ${reason} [request-cancelled]\n`,
    );
  });

  it('exits with 1 and the reason when the request fails', async () => {
    const server = await startFarmServer();
    const failed = requestDetail({ state: 'failed', reason: 'a/b-1 failed: make ended with 2.' });
    server.answer('POST /api/requests', requestDetail(), 201);
    server.on('GET /api/requests/request-1/events', (_, response) => {
      response.end(`data: ${JSON.stringify(failed)}\n\nevent: end\ndata: {}\n\n`);
    });
    const result = await runAt(server, 'build', 'request', 'web-v3', 'a/b', '--wait');
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(
      'rookery: Request request-1 is failed: a/b-1 failed: make ended with 2. [request-failed]\n',
    );
  });
});

describe('build list, show, log, cancel', () => {
  it('lists requests', async () => {
    const server = await startFarmServer();
    server.answer('GET /api/requests', {
      requests: [requestDetail({ createdAt: NOON - 120_000 })],
    });
    const result = await runAt(server, 'build', 'list', '--profile', 'web-v3', '--limit', '5');
    expect(server.seen[0]?.query.toString()).toBe('limit=5&profile=web-v3');
    expect(result.stdout).toBe(
      [
        'REQUEST    PROFILE  STATE     WHEN       BY                 ATOMS',
        'request-1  web-v3   building  2 min ago  token:first-admin  app-misc/rookery-web',
        '',
      ].join('\n'),
    );
    server.answer('GET /api/requests', { requests: [] });
    expect((await runAt(server, 'build', 'list')).stdout).toBe('Nothing has been requested yet.\n');
    expect(JSON.parse((await runAt(server, 'build', 'list', '--json')).stdout)).toEqual([]);
  });

  it('shows a request with its jobs, and why each waits', async () => {
    const server = await startFarmServer();
    const jobs = [
      jobView({
        id: 'job-1',
        kind: 'plan',
        state: 'succeeded',
        startedAt: NOON,
        finishedAt: NOON,
        agent: 'b1',
        attempt: 1,
      }),
      jobView({ id: 'job-2', reason: 'no live agent has the executor portage' }),
    ];
    const packages = [
      { id: 'p1', cpv: 'a/b-1', buildId: 1, how: 'reused' as const, leftOut: null },
    ];
    server.answer('GET /api/requests/request-1', requestDetail({ jobs, packages }));
    expect((await runAt(server, 'build', 'show', 'request-1')).stdout).toBe(
      [
        'request-1  building',
        'app-misc/rookery-web for web-v3, asked by token:first-admin just now',
        '',
        'JOB    NAME                        STATE       TIME  AGENT  TRY  WHY',
        'job-1  plan                        succeeded  0.0 s  b1       1',
        'job-2  app-misc/rookery-hello-1.0  waiting        -  -        0  no live agent has the executor portage',
        '',
        'PACKAGE  BUILD  HOW     ID',
        'a/b-1        1  reused  p1',
        '',
      ].join('\n'),
    );
  });

  it('prints the log of a job, and of every job of a request', async () => {
    const server = await startFarmServer();
    const one = jobView({ id: 'job-1', name: 'a/b-1', state: 'succeeded', attempt: 1 });
    const two = jobView({ id: 'job-2', name: 'a/c-1', state: 'leased', attempt: 1 });
    server
      .answer('GET /api/jobs/job-1', one)
      .refuse('GET /api/jobs/request-1', 404, 'unknown-job', 'There is no job request-1.')
      .answer('GET /api/requests/request-1', requestDetail({ jobs: [one, two] }))
      .on('GET /api/jobs/job-1/log', (_, response) => {
        response.end('\u001b[32m>>>\u001b[0m one\r\nno line end');
      })
      .on('GET /api/jobs/job-2/log', (_, response) => {
        response.end('two\n');
      });
    expect(await runAt(server, 'build', 'log', 'job-1')).toEqual({
      code: 0,
      stdout: '>>> one\nno line end\n',
      stderr: '--- a/b-1 (job-1)\n',
    });
    expect((await runAt(server, 'build', 'log', 'request-1')).stdout).toBe(
      '>>> one\nno line end\ntwo\n',
    );
  });

  it('prints the log of an earlier attempt', async () => {
    const server = await startFarmServer();
    const jobs = [
      jobView({ id: 'job-1', name: 'a/b-1', state: 'leased', attempt: 3 }),
      jobView({ id: 'job-2', name: 'a/c-1', state: 'succeeded', attempt: 1 }),
    ];
    server
      .answer('GET /api/jobs/job-1', jobs[0])
      .refuse('GET /api/jobs/request-1', 404, 'unknown-job', 'There is no job request-1.')
      .answer('GET /api/requests/request-1', requestDetail({ jobs }))
      .on('GET /api/jobs/job-1/log', ({ query }, response) => {
        response.end(`try ${query.get('attempt')} ${query.get('follow')}\n`);
      });
    const ofJob = await runAt(server, 'build', 'log', 'job-1', '--attempt', '2', '-f');
    expect(ofJob.stdout).toBe('try 2 null\n');
    const ofRequest = await runAt(server, 'build', 'log', 'request-1', '--attempt', '2');
    expect(ofRequest.stdout).toBe('try 2 null\n');

    const none = await runAt(server, 'build', 'log', 'job-1', '--attempt', '4');
    expect([none.code, none.stderr]).toEqual([
      1,
      'rookery: There is no attempt 4 at job-1: the last one is 3. [unknown-attempt]\n',
    ]);
    expect((await runAt(server, 'build', 'log', 'job-1', '--attempt', '0')).code).toBe(2);
  });

  it('follows a log to its end', async () => {
    const server = await startFarmServer();
    let state: 'leased' | 'failed' = 'leased';
    server.on('GET /api/jobs/job-1', (_, response) => {
      sendJson(response, 200, jobView({ state, attempt: 1, reason: 'make ended with 2' }));
    });
    server.on('GET /api/jobs/job-1/log', ({ query }, response) => {
      response.end('first\nlast\n'.slice(Number(query.get('offset')), state === 'leased' ? 6 : 99));
      state = 'failed';
    });
    const result = await runAt(server, 'build', 'log', 'job-1', '-f');
    expect(result.stdout).toBe('first\nlast\n');
    expect(result.stderr).toContain('--- failed: make ended with 2\n');
  });

  it('says that nothing has this id', async () => {
    const server = await startFarmServer();
    server
      .refuse('GET /api/jobs/x', 404, 'unknown-job', 'There is no job x.')
      .refuse('GET /api/requests/x', 404, 'unknown-request', 'There is no request x.');
    const result = await runAt(server, 'build', 'log', 'x');
    expect([result.code, result.stderr]).toEqual([
      1,
      'rookery: There is no job and no request named x. [unknown-job]\n',
    ]);
  });

  it('cancels', async () => {
    const server = await startFarmServer();
    const cancelled = requestDetail({ state: 'cancelled' });
    server.answer('POST /api/requests/request-1/cancel', cancelled);
    const result = await runAt(server, 'build', 'cancel', 'request-1');
    expect(result.stdout).toBe('request-1 (1 atom for web-v3) is cancelled.\n');
  });
});

describe('channel', () => {
  const path = '/api/profiles/web-v3/channels/testing';

  it('shows what nodes get', async () => {
    const server = await startFarmServer();
    const current = publicationView();
    const uri = 'http://farm/binhost/web-v3/testing';
    server.answer(`GET ${path}`, {
      profile: 'web-v3',
      channel: 'testing',
      uri,
      current,
      publications: [current, publicationView({ serial: 3, reason: '', kind: 'rollback' })],
      pins: [],
    });
    expect((await runAt(server, 'channel', 'show', 'web-v3', 'testing')).stdout).toBe(
      [
        `web-v3/testing  ${uri}`,
        `publication 4, 3 packages, 5 min ago, TIMESTAMP ${NOON / 1000}`,
        '',
        'SERIAL  KIND      PACKAGES  WHEN                     BY                 SNAPSHOT    REASON',
        '     4  publish          3  2026-11-22 11:55:00 UTC  token:first-admin  snapshot-4  weekly',
        '     3  rollback         3  2026-11-22 11:55:00 UTC  token:first-admin  snapshot-4',
        '',
      ].join('\n'),
    );
    const empty = {
      profile: 'web-v3',
      channel: 'testing',
      uri,
      current: null,
      publications: [],
      pins: [],
    };
    server.answer(`GET ${path}`, empty);
    const shown = await runAt(server, 'channel', 'show', 'web-v3', 'testing');
    expect(shown.stdout).toContain('Nothing has been published on it yet.');
  });

  it.each([
    [
      'publish',
      ['--reason', 'weekly', '--package', 'p1', 'p2'],
      { reason: 'weekly', packageIds: ['p1', 'p2'] },
    ],
    ['publish', [], { reason: '' }],
    ['promote', ['--from', 'edge', '--serial', '3'], { reason: '', from: 'edge', serial: 3 }],
    ['publish', ['--expected', '0'], { reason: '', expectedSerial: 0 }],
    ['promote', ['--expected', '4'], { reason: '', expectedSerial: 4 }],
  ])('%s %j sends what was asked', async (deed, words, body) => {
    const server = await startFarmServer();
    server.answer(`POST ${path}/${deed}`, publicationView({ serial: 5, packageCount: 1 }), 201);
    const result = await runAt(server, 'channel', deed, 'web-v3', 'testing', ...words);
    expect(jsonBody(server)).toEqual(body);
    expect(result).toEqual({
      code: 0,
      stdout: 'web-v3/testing is now publication 5: 1 package.\n',
      stderr: '',
    });
  });

  it('rollback says what the channel now shows', async () => {
    const server = await startFarmServer();
    const made = publicationView({ serial: 5, packageCount: 1, kind: 'rollback', snapshotId: 'a' });
    const rolledBack = async (...words: readonly string[]): Promise<string> =>
      (await runAt(server, 'channel', 'rollback', 'web-v3', 'testing', ...words)).stdout;
    server.answer(`POST ${path}/rollback`, made, 201);

    const asked = await rolledBack('--serial', '2', '--reason', '502s', '--expected', '4');

    expect(jsonBody(server)).toEqual({ reason: '502s', serial: 2, expectedSerial: 4 });
    expect(asked).toBe(
      'web-v3/testing is now publication 5: 1 package. It now shows what 2 showed.\n',
    );
    const publications = [
      made,
      publicationView({ serial: 4 }),
      publicationView({ serial: 3, kind: 'rollback', snapshotId: 'a' }),
      publicationView({ serial: 2 }),
      publicationView({ serial: 1, kind: 'promote', snapshotId: 'a' }),
    ];
    const uri = 'http://farm.example/binhost/web-v3/testing';
    const view = {
      profile: 'web-v3',
      channel: 'testing',
      uri,
      current: made,
      publications,
      pins: [],
    };
    server.answer(`GET ${path}`, view);
    expect(await rolledBack()).toContain('1 package. It now shows what 1 showed.\n');
  });
});

describe('package push', () => {
  it('streams each file with its size and SHA512, and shows how far it is', async () => {
    const server = await startFarmServer();
    server.answer('PUT /api/profiles/web-v3/packages', packageView(), 201);
    const bytes = Buffer.alloc(1_500_000, 'rookery ');
    writeFileSync(join(folder, 'hello.gpkg.tar'), bytes);
    const result = await runAt(server, 'package', 'push', 'web-v3', 'hello.gpkg.tar');
    const seen = server.seen[0];
    expect(seen?.query.get('sha512')).toBe(digestOf('sha512', bytes));
    expect(seen?.headers['content-length']).toBe('1500000');
    expect(seen?.headers['transfer-encoding']).toBeUndefined();
    expect(seen?.body.equals(bytes)).toBe(true);
    expect(result.stdout).toBe('app-misc/rookery-hello-1.0 build 2, 12 KiB: package-1\n');
    expect(result.stderr).toContain('hello.gpkg.tar: 1.4 MiB of 1.4 MiB\n');
  });

  it('names a file that is not there, and the refusal of a bad one', async () => {
    const server = await startFarmServer();
    const missing = await runAt(server, 'package', 'push', 'web-v3', 'none.gpkg.tar');
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('none.gpkg.tar. [package-file-missing]');
    server.refuse(
      'PUT /api/profiles/web-v3/packages',
      422,
      'gpkg-no-manifest',
      'It has no Manifest.',
    );
    writeFileSync(join(folder, 'bad.gpkg.tar'), 'bad');
    const refused = await runAt(server, 'package', 'push', 'web-v3', 'bad.gpkg.tar');
    expect(refused.stderr).toContain('rookery: It has no Manifest. [gpkg-no-manifest]\n');
  });
});

describe('agents', () => {
  it('lists the agents and what they hold', async () => {
    const server = await startFarmServer();
    server.answer('GET /api/agents', {
      agents: [agentView()],
    });
    expect((await runAt(server, 'agents')).stdout).toBe(
      [
        'NAME  STATE  SEEN      CORES  MEMORY  CHOST                EXECUTORS       PORTAGE  JOBS',
        'b1    live   just now     16  64 GiB  x86_64-pc-linux-gnu  portage source  3.0.82   job-1',
        '',
      ].join('\n'),
    );
  });
});

describe('client', () => {
  it('prints the setup script as the server gives it', async () => {
    const server = await startFarmServer();
    server.on('GET /api/profiles/web-v3/client', ({ query }, response) => {
      response.end(`#!/bin/sh\n# ${query.get('channel')}\n`);
    });
    const result = await runAt(server, 'client', 'web-v3', 'stable');
    expect(result).toEqual({ code: 0, stdout: '#!/bin/sh\n# stable\n', stderr: '' });
  });
});
