import { describe, expect, it } from '@jest/globals';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type FarmServer, startFarmServer, stopFarmServersAfterEach } from './farm-server.ts';
import { NOON } from './noon.ts';
import { type ProgramResult, runProgram } from './run-program.ts';
import { agentView, jobView, requestDetail } from './sample-views.ts';

stopFarmServersAfterEach();
const folder = temporaryFolder();

async function runAt(
  server: Pick<FarmServer, 'url'>,
  ...words: readonly string[]
): Promise<ProgramResult> {
  return await runProgram(words, { env: { ROOKERY_SERVER: server.url }, cwd: folder });
}

describe('steering', () => {
  it('pauses, resumes and moves requests, and says why a job stands where it stands', async () => {
    const server = await startFarmServer();
    const request = requestDetail({ priority: 3 });
    server.answer('POST /api/requests/request-1/pause', request);
    server.answer('POST /api/requests/request-1/resume', request);
    server.answer('POST /api/requests/request-1/priority', request);
    server.answer(
      'GET /api/jobs/job-1',
      jobView({ whySentence: 'waits for a/b-1, building on pre3 since 4 min, about 2 min left' }),
    );
    const runs = [
      await runAt(server, 'build', 'pause', 'request-1', '--reason', 'Later.'),
      await runAt(server, 'build', 'resume', 'request-1'),
      await runAt(server, 'build', 'priority', 'request-1', '3'),
      await runAt(server, 'build', 'why', 'job-1'),
    ];
    expect(runs.map(({ stdout }) => stdout.trim())).toEqual([
      'request-1 is paused.',
      'request-1 goes on.',
      'request-1 has the priority 3.',
      'app-misc/rookery-hello-1.0 waits for a/b-1, building on pre3 since 4 min, about 2 min left',
    ]);
    expect(server.seen.map(({ body }) => body.toString())).toEqual([
      '{"reason":"Later."}',
      '{}',
      '{"priority":3}',
      '',
    ]);
    const json = await runAt(server, 'build', 'why', 'job-1', '--json');
    expect(JSON.parse(json.stdout)).toEqual({ code: 'no-agent' });
    expect((await runAt(server, 'build', 'priority', 'request-1', '11')).code).not.toBe(0);
    expect((await runAt(server, 'build', 'pause', 'request-1')).code).not.toBe(0);
  });

  it('shows why there is no plan, and what to write where', async () => {
    const server = await startFarmServer();
    const line = { file: 'package.use', line: '>=dev-libs/egg-1 -fresh' };
    const problem = { sentence: 'They go round.', code: 'cycle', advice: null, data: 'x' } as const;
    const problems = [
      { ...problem, lines: [line], enough: 'one' as const },
      { ...problem, sentence: 'It is shut.', lines: [line, line], enough: 'all' as const },
      { ...problem, sentence: 'Nothing.', lines: [], enough: 'all' as const, advice: 'Sync.' },
    ];
    server.answer('GET /api/requests/request-1', requestDetail({ state: 'failed', problems }));
    const { stdout } = await runAt(server, 'build', 'show', 'request-1');
    expect(stdout).toContain(
      [
        '- They go round.',
        '  This in the portage folder of the profile would help:',
        '    package.use: >=dev-libs/egg-1 -fresh',
        '',
        '- It is shut.',
        '  This in the portage folder of the profile would help:',
        '    package.use: >=dev-libs/egg-1 -fresh',
        '    package.use: >=dev-libs/egg-1 -fresh',
        '',
        '- Nothing.',
        '  Sync.',
      ].join('\n'),
    );
  });

  it('publishes a part of a request that has ended, and shows what is left out', async () => {
    const server = await startFarmServer();
    const partial = requestDetail({
      state: 'partial',
      reason: '1 of 2 packages were built.',
      finishedAt: NOON + 1000,
      packages: [
        { id: 'p1', cpv: 'a/b-1', buildId: 1, how: 'built', leftOut: null },
        { id: 'p2', cpv: 'a/c-1', buildId: 1, how: 'built', leftOut: 'It would break a/d-1.' },
      ],
      publication: { channel: 'testing', serial: 7 },
    });
    server.answer('POST /api/requests/request-1/publish', requestDetail({ state: 'publishing' }));
    server.on('GET /api/requests/request-1/events', (_, response) => {
      response.end(`data: ${JSON.stringify(partial)}\n\nevent: end\ndata: {}\n\n`);
    });
    const words = ['build', 'publish', 'request-1', '--partial', '--channel', 'testing'];
    const { code, stdout } = await runAt(server, ...words);
    expect(code).toBe(0);
    expect(stdout).toContain('left out: a/c-1. It would break a/d-1.');
    expect(stdout).toContain('published on testing as publication 7');
    expect(server.seen[0]?.body.toString()).toBe('{"partial":true,"channel":"testing"}');

    server.answer('POST /api/requests', requestDetail(), 201);
    const request = ['build', 'request', 'web-v3', 'a/b', '--publish', 'testing', '--partial'];
    const waited = await runAt(server, ...request, '--wait');
    expect(waited.code).toBe(1);
    expect(waited.stderr).toContain('[request-partial]');
    expect(server.seen.at(-2)?.body.toString()).toContain('"partial":true');
  });

  it('pauses profiles and drains agents, at the server that is named last', async () => {
    const server = await startFarmServer();
    server.answer('POST /api/profiles/web-v3/pause', {
      profile: 'web-v3',
      by: 'token:me',
      reason: 'Broken.',
      pausedAt: NOON,
    });
    server.on('POST /api/profiles/web-v3/resume', (_, response) => {
      response.writeHead(204).end();
    });
    server.answer('POST /api/agents/b1/drain', agentView({ state: 'drained', jobIds: ['job-1'] }));
    server.answer('POST /api/agents/b1/resume', agentView());
    const runs = [
      await runAt(server, 'profile', 'pause', 'web-v3', '--reason', 'Broken.'),
      await runAt(server, 'profile', 'resume', 'web-v3'),
      await runAt(server, 'agent', 'drain', 'b1', '--reason', 'New disk.'),
      await runAt(server, 'agent', 'resume', 'b1'),
    ];
    expect(runs.map(({ stdout }) => stdout.trim())).toEqual([
      'web-v3 is paused.',
      'web-v3 goes on.',
      'b1 is drained; it holds job-1.',
      'b1 gets jobs again.',
    ]);
  });
});
