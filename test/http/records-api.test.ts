import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { get as httpGet, IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import * as z from 'zod';
import { packLog } from '../../src/builds/packed-log.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { addStory, attemptRecord, FAILURE } from './record-samples.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const folder = temporaryFolder();
let farm: TestServer;

beforeAll(async () => {
  farm = await startTestServer();
  addStory(farm);
});

afterAll(async () => {
  await farm.close();
});

async function get(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const { status, text } = await request(farm.url).get(path);
  return { status, body: z.record(z.string(), z.unknown()).parse(JSON.parse(text)) };
}

describe('a job of a request', () => {
  it('tells how far it is, when it will be done, and its first error', async () => {
    const { body } = await get('/api/requests/rq-story');
    const { offset: _, ...failure } = FAILURE;
    expect(body).toMatchObject({
      expectedAt: farm.clock.now() + 300_000,
      jobs: [
        { id: 'job-bad', progress: null, expectedAt: null, failure: { ...failure, attempt: 2 } },
        {
          id: 'job-run',
          progress: { phase: 'compile', done: 12, total: 345 },
          expectedAt: farm.clock.now() + 300_000,
          failure: null,
        },
      ],
    });
    const { jobs } = z.object({ jobs: z.array(z.record(z.string(), z.unknown())) }).parse(body);
    expect((await get('/api/jobs/job-run')).body).toEqual({ ...jobs[1], attempts: [] });
  });

  it('leads to the lines around its first error', async () => {
    const { body } = await get('/api/jobs/job-bad/failure');
    expect(body).toMatchObject({ attempt: 2, line: 12, firstLine: 10 });
    expect(body['lines']).toContain(FAILURE.text);
    for (const path of ['/api/jobs/job-bad/failure?attempt=1', '/api/jobs/job-run/failure']) {
      const none = await get(path);
      expect([none.status, none.body['code']]).toEqual([404, 'failure-unknown']);
    }
    expect((await get('/api/jobs/job-none/failure')).body['code']).toBe('unknown-job');
  });

  it('stands in the timeline of the request', async () => {
    const { body } = await get('/api/requests/rq-story/timeline');
    expect(body).toMatchObject({ criticalPath: ['job-run'], criticalMs: 389_000 });
    expect(body['attempts']).toHaveLength(3);
    expect((await get('/api/requests/rq-none/timeline')).body['code']).toBe('unknown-request');
  });

  it('is told of in the events of the request when it is further', async () => {
    const leave = new AbortController();
    const response = await fetch(`${farm.url}/api/requests/rq-story/events`, {
      signal: leave.signal,
    });
    let text = '';
    const reading = (async () => {
      const decoder = new TextDecoder();
      for (const reader = response.body?.getReader(); ; ) {
        const part = await reader?.read();
        if (part === undefined || part.done) {
          return;
        }
        text += decoder.decode(part.value);
      }
    })().catch(() => undefined);
    await poll('the state now', () => text.includes('"done":12') || undefined);
    farm.records.running.set('job-run', { phase: 'compile', done: 13, total: 345 });
    await poll('the next step', () => text.includes('"done":13') || undefined);
    leave.abort();
    await reading;
  });
});

describe('the history', () => {
  it('is filtered by what was asked', async () => {
    farm.records.attempts.push(attemptRecord({ outcome: 'failed', failure: FAILURE, attempt: 3 }));
    const { body } = await get('/api/history?package=www-servers/nginx&days=2&limit=5');
    expect(body).toMatchObject({
      attempts: [{ name: 'www-servers/nginx-1.27.3', failure: { attempt: 3, line: 12 } }],
    });
    expect(farm.records.lastHistory).toEqual({
      package: 'www-servers/nginx',
      since: farm.clock.now() - 2 * 86_400_000,
      limit: 5,
    });
    await get('/api/history/agent?profile=web-zen4');
    expect(farm.records.lastHistory).toEqual({
      grouping: 'agent',
      profile: 'web-zen4',
      limit: 100,
    });
    expect((await get('/api/history?days=x')).body['code']).toBe('invalid-query');
    expect((await get('/api/history/colour')).status).toBe(404);
  });
});

describe('a search through logs', () => {
  const place = { startedAt: 5, jobId: 'job-bad', attempt: 2 };

  it('streams lines, how far it is, and where it has stopped', async () => {
    const match = {
      requestId: 'rq-story',
      jobId: 'job-bad',
      attempt: 2,
      name: 'dev-libs/bad-1',
      profile: 'web-zen4',
      line: 12,
      text: 'a\nb',
    };
    farm.records.steps.push(
      { kind: 'match', match },
      { kind: 'progress', logs: 1, total: 9 },
      { kind: 'end', logs: 1, total: 9, matches: 1, stoppedBy: 'time', next: place },
    );
    const query = 'q=undeclared&request=rq-story&limit=7&after=9.job-x.1';
    const { text, headers } = await request(farm.url).get(`/api/logs/search?${query}`);
    expect(headers['content-type']).toContain('text/event-stream');
    expect(text).toBe(
      [
        `event: match\ndata: ${JSON.stringify(match)}\n\n`,
        'event: progress\ndata: {"logs":1,"total":9}\n\n',
        'event: end\ndata: {"logs":1,"total":9,"matches":1,"stoppedBy":"time","next":"5.job-bad.2"}\n\n',
      ].join(''),
    );
    expect(farm.records.lastSearch).toEqual({
      text: 'undeclared',
      requestId: 'rq-story',
      maxMatches: 7,
      maxMs: 20_000,
      after: { startedAt: 9, jobId: 'job-x', attempt: 1 },
    });
  });

  it.each([
    ['q=a', 400, 'invalid-query'],
    ['q=ab&limit=0', 400, 'invalid-query'],
    ['q=ab&after=../x', 400, 'invalid-place'],
    ['q=ab&request=rq-none', 404, 'unknown-request'],
    ['q=ab&job=job-none', 404, 'unknown-job'],
  ])('%s is refused', async (query, status, code) => {
    const answer = await get(`/api/logs/search?${query}`);
    expect([answer.status, answer.body['code']]).toEqual([status, code]);
  });
});

describe('the events of a log', () => {
  it('are whole lines of plain text, attempt after attempt, each with the place behind it', async () => {
    farm.builds.addJob({
      id: 'job-follow',
      requestId: 'rq-story',
      state: 'leased',
      attempt: 1,
      agent: 'one',
    });
    farm.builds.writeLog('job-follow', 1, 0, Buffer.from('\u001b[1mone\u001b[0m\r\n 5%\r 9%\nhal'));
    const { body } = await fetch(`${farm.url}/api/jobs/job-follow/log/events`);
    let text = '';
    const reading = (async () => {
      const decoder = new TextDecoder();
      for (const reader = body?.getReader(); ; ) {
        const part = await reader?.read();
        if (part === undefined || part.done) {
          return;
        }
        text += decoder.decode(part.value, { stream: true });
      }
    })();
    await poll('the first lines', () => text.includes('9%') || undefined);
    farm.builds.writeLog('job-follow', 1, 24, Buffer.from('f\n'));
    await poll('the rest of a line', () => text.includes('half') || undefined);
    await farm.builds.changeJob('job-follow', { attempt: 2 });
    farm.builds.writeLog('job-follow', 2, 0, Buffer.from('two without an end'));
    await farm.builds.changeJob('job-follow', { state: 'failed' });
    await reading;
    expect(text.replaceAll(': still here\n\n', '')).toBe(
      [
        'id: 1:21\ndata: {"attempt":1,"text":"one\\n 9%\\n"}\n\n',
        'id: 1:26\ndata: {"attempt":1,"text":"half\\n"}\n\n',
        'id: 2:0\ndata: {"attempt":2,"text":"\\n--- try 2 ---\\n"}\n\n',
        'id: 2:18\ndata: {"attempt":2,"text":"two without an end"}\n\n',
        'event: end\ndata: {"state":"failed"}\n\n',
      ].join(''),
    );

    const again = await request(farm.url)
      .get('/api/jobs/job-follow/log/events')
      .set('Last-Event-ID', '2:4');
    expect(again.text).toBe(
      'id: 2:18\ndata: {"attempt":2,"text":"without an end"}\n\nevent: end\ndata: {"state":"failed"}\n\n',
    );
    expect((await get('/api/jobs/job-none/log/events')).body['code']).toBe('unknown-job');
  });
});

/** What comes over the wire, before anybody unpacks it. */
async function fetched(headers: Record<string, string>, query = '') {
  const url = `${farm.url}/api/jobs/job-packed/log${query}`;
  const [answer] = await once(httpGet(url, { headers }), 'response');
  if (!(answer instanceof IncomingMessage)) {
    throw new TypeError('no answer');
  }
  return { headers: answer.headers, bytes: await buffer(answer) };
}

describe('the log of an ended attempt', () => {
  const log = Buffer.from('checking for gcc... gcc\n'.repeat(40_000));

  beforeAll(async () => {
    farm.builds.addJob({ id: 'job-packed', requestId: 'rq-story', state: 'failed', attempt: 1 });
    farm.builds.writeLog('job-packed', 1, 0, log);
    const path = join(folder, 'packed.log');
    await writeFile(path, log);
    await packLog(path);
    farm.records.packed.set('job-packed/1', `${path}.zst`);
  });

  it('goes out as it is stored to those who take zstd', async () => {
    const { headers, bytes } = await fetched({ 'Accept-Encoding': 'zstd' });
    expect(headers['content-encoding']).toBe('zstd');
    expect(headers['vary']).toContain('Accept-Encoding');
    expect(bytes.readUInt32LE(0)).toBe(0xfd2fb528);
    expect(bytes.length).toBeLessThan(log.length / 50);
  });

  it('goes out as gzip to those who take that, and plain to all others, or in part', async () => {
    const response = await fetch(`${farm.url}/api/jobs/job-packed/log`, {
      headers: { 'Accept-Encoding': 'gzip' },
    });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    expect(Buffer.from(await response.arrayBuffer()).equals(log)).toBe(true);
    const plain = await fetched({ 'Accept-Encoding': 'identity' });
    expect(plain.headers['content-encoding']).toBeUndefined();
    expect(plain.bytes.equals(log)).toBe(true);
    const part = await fetched({ 'Accept-Encoding': 'zstd, gzip' }, '?offset=959990');
    expect([part.headers['content-encoding'], part.bytes.toString()]).toEqual([
      undefined,
      'gcc... gcc\n'.slice(-10),
    ]);
  });
});
