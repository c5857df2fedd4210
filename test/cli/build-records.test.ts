import { describe, expect, it } from '@jest/globals';
import { failureText, progressText } from '../../src/cli/job-progress.ts';
import { jobLine } from '../../src/cli/progress.ts';
import { type FarmServer, startFarmServer, stopFarmServersAfterEach } from './farm-server.ts';
import { NOON } from './noon.ts';
import { type ProgramResult, runProgram } from './run-program.ts';
import { jobView, requestDetail } from './sample-views.ts';

stopFarmServersAfterEach();

async function runAt(
  server: Pick<FarmServer, 'url'>,
  ...words: readonly string[]
): Promise<ProgramResult> {
  return await runProgram(words, { env: { ROOKERY_SERVER: server.url } });
}

const FAILURE = { attempt: 1, phase: 'compile', text: 'a.c:1: error: \u001b]0;x\u0007y', line: 12 };

function event(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

function match(jobId: string, line: number, text: string) {
  const job = { requestId: 'request-1', jobId, attempt: 2, name: 'a/b-1', profile: 'web-v3' };
  return event('match', { ...job, line, text });
}

describe('build log --grep', () => {
  it('prints what is found, and goes on where the server has stopped', async () => {
    const server = await startFarmServer();
    server.on('GET /api/logs/search', ({ query }, response) => {
      const isFirst = query.get('after') === null;
      response.end(
        isFirst
          ? match('job-1', 3, 'one \u001b[31mneedle') +
              event('progress', { logs: 1, total: 9 }) +
              event('end', { logs: 1, total: 9, matches: 1, stoppedBy: 'time', next: '5.job-1.2' })
          : match('job-2', 4, 'another needle') +
              event('end', { logs: 8, total: 9, matches: 1, stoppedBy: null, next: null }),
      );
    });
    const result = await runAt(server, 'build', 'log', '--grep', 'needle', '--limit', '50');
    expect(result.stdout).toBe(
      'a/b-1 (job-1) try 2:3: one needle\na/b-1 (job-2) try 2:4: another needle\n',
    );
    expect(result.code).toBe(0);
    expect(server.seen.map(({ query }) => query.toString())).toEqual([
      'q=needle&limit=50',
      'q=needle&after=5.job-1.2&limit=49',
    ]);
  });

  it('looks in one job or one request, stops at its limit, and says so', async () => {
    const server = await startFarmServer();
    server
      .answer('GET /api/jobs/job-1', jobView({ id: 'job-1' }))
      .refuse('GET /api/jobs/request-1', 404, 'unknown-job', 'There is no job request-1.')
      .answer('GET /api/requests/request-1', requestDetail({ jobs: [jobView({ id: 'job-1' })] }))
      .on('GET /api/logs/search', (_, response) => {
        const end = { logs: 1, total: 1, matches: 1, stoppedBy: 'matches', next: '5.job-1.2' };
        response.end(match('job-1', 3, 'needle') + event('end', end));
      });
    const ofJob = await runAt(server, 'build', 'log', 'job-1', '--grep', 'needle', '--limit', '1');
    expect(ofJob.stderr).toContain('There may be more than these 1 line: see --limit.');
    expect(server.seen.at(-1)?.query.toString()).toBe('q=needle&job=job-1&limit=1');
    await runAt(server, 'build', 'log', 'request-1', '--grep', 'needle', '--limit', '1');
    expect(server.seen.at(-1)?.query.toString()).toBe('q=needle&request=request-1&limit=1');
  });

  it('fails when there is nothing, when nothing is named, and when the server breaks off', async () => {
    const server = await startFarmServer();
    server.on('GET /api/logs/search', (_, response) => {
      response.end(event('end', { logs: 3, total: 3, matches: 0, stoppedBy: null, next: null }));
    });
    const none = await runAt(server, 'build', 'log', '--grep', 'needle');
    expect([none.code, none.stderr]).toEqual([
      1,
      'rookery: "needle" is in no line of any log that is kept. [text-not-found]\n',
    ]);
    expect((await runAt(server, 'build', 'log')).stderr).toContain('[nothing-named]');
    server.on('GET /api/logs/search', (_, response) => {
      response.end(event('progress', { logs: 3, total: 9 }));
    });
    expect((await runAt(server, 'build', 'log', '--grep', 'needle')).stderr).toContain(
      '[connection-lost]',
    );
  });
});

describe('build log', () => {
  it('shows nothing of what steers a terminal', async () => {
    const server = await startFarmServer();
    server
      .answer('GET /api/jobs/job-1', jobView({ id: 'job-1', state: 'succeeded', attempt: 1 }))
      .on('GET /api/jobs/job-1/log', (_, response) => {
        response.end('\u001b]0;owned\u0007 5%\r 9%\n\u001b[2Jclear\u001b[31m red\u001b[0m\n');
      });
    const { stdout } = await runAt(server, 'build', 'log', 'job-1');
    expect(stdout).toBe(' 9%\nclear red\n');
  });
});

describe('build history', () => {
  it('lists attempts, or sums', async () => {
    const server = await startFarmServer();
    const attempt = {
      jobId: 'job-1',
      attempt: 1,
      requestId: 'request-1',
      profile: 'web-v3',
      name: 'a/b-1',
      package: 'a/b',
      agent: 'b1',
      startedAt: NOON - 90_000,
      finishedAt: NOON,
      outcome: 'failed',
      logBytes: 5,
      packageBytes: null,
      failure: FAILURE,
    };
    const group = {
      name: 'b1',
      attempts: 3,
      succeeded: 2,
      failed: 1,
      spentMs: 5000,
      averageMs: 1000,
      longestMs: null,
      averageBytes: 4096,
      lastAt: NOON,
    };
    server
      .answer('GET /api/history', { attempts: [attempt] })
      .answer('GET /api/history/agent', { groups: [group] });
    const list = await runAt(server, 'build', 'history', 'a/b', '--days', '3');
    expect(list.stdout).toBe(
      [
        'PACKAGE  PROFILE  AGENT  OUTCOME          TIME  SIZE  WHEN      JOB    FIRST ERROR',
        'a/b-1    web-v3   b1     failed   1 min 30 s     -  just now  job-1  a.c:1: error: y',
        '',
      ]
        .join('\n')
        .replace('OUTCOME          TIME', 'OUTCOME        TIME'),
    );
    expect(server.seen[0]?.query.toString()).toBe('package=a%2Fb&days=3&limit=30');
    const sums = await runAt(server, 'build', 'history', '--by', 'agent', '--profile', 'web-v3');
    expect(sums.stdout).toMatch(/^b1 +3 +66 % +1\.0 s +- +4\.0 KiB +5\.0 s +just now$/m);
    expect(JSON.parse((await runAt(server, 'build', 'history', '--json')).stdout)).toEqual([
      attempt,
    ]);
    expect((await runAt(server, 'build', 'history', '--by', 'colour')).code).toBe(2);
  });
});

describe('a job', () => {
  const running = jobView({
    state: 'leased',
    agent: 'b1',
    attempt: 2,
    startedAt: NOON,
    progress: { phase: 'compile', done: 12, total: 345 },
    expectedAt: NOON + 200_000,
  });

  it('tells how far it is and how long it will take', () => {
    expect(jobLine(running, NOON)).toBe(
      'app-misc/rookery-hello-1.0: building on b1, attempt 2, compile, 12 of 345, about 3 min left',
    );
    expect(progressText({ progress: null, expectedAt: NOON + 5 }, NOON)).toBe('nearly done');
    const percent = { phase: null, done: 7, total: 100 };
    expect(progressText({ progress: percent, expectedAt: null }, NOON)).toBe('7 %');
  });

  it('names its first error, and when the request will be done', async () => {
    const failed = jobView({ state: 'failed', reason: 'emerge ended with 1', failure: FAILURE });
    expect(failureText(FAILURE)).toContain('compile phase, line 12: a.c:1: error:');
    const server = await startFarmServer();
    const jobs = [failed, { ...running, id: 'job-2' }];
    const detail = requestDetail({ jobs, expectedAt: NOON + 300_000 });
    server.answer('GET /api/requests/request-1', detail);
    const { stdout } = await runAt(server, 'build', 'show', 'request-1');
    expect(stdout).toContain('\nabout 5 min left\n');
    expect(stdout).toContain('compile phase, line 12: a.c:1: error: y\n');
    expect(stdout).toContain('compile, 12 of 345, about 3 min left\n');
    expect(stdout).not.toContain('\u001b');
  });
});
