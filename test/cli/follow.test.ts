import { describe, expect, it } from '@jest/globals';
import { followLog, followRequest } from '../../src/cli/follow.ts';
import { createServerClient } from '../../src/cli/server-client.ts';
import type { RequestDetail } from '../../src/protocol/builds.ts';
import { systemClock } from '../../src/support/clock.ts';
import { poll } from '../support/poll.ts';
import { startFarmServer, stopFarmServersAfterEach } from './farm-server.ts';
import { jobView, requestDetail } from './sample-views.ts';

stopFarmServersAfterEach();

const pace = { initialMs: 5, maximumMs: 20, patienceMs: 20_000 };
const follow = () => ({ clock: systemClock, signal: new AbortController().signal, pace });
const EVENTS = 'GET /api/requests/request-1/events';
const JOB = 'GET /api/jobs/job-1';
const LOG = 'GET /api/jobs/job-1/log';

const event = (request: RequestDetail): string => `data: ${JSON.stringify(request)}\n\n`;
const done = requestDetail({ state: 'done' });

describe('following a request', () => {
  it('tells each change and ends with the last', async () => {
    const server = await startFarmServer();
    server.on(EVENTS, (_, response) => {
      response.write(event(requestDetail({ state: 'planning' })));
      response.write(': still here\n\n');
      response.end(`${event(done)}event: end\ndata: {}\n\n`);
    });
    const states: string[] = [];
    const last = await followRequest(createServerClient(server), 'request-1', {
      ...follow(),
      onChange: ({ state }) => states.push(state),
    });
    expect(last.state).toBe('done');
    expect([...new Set(states)]).toEqual(['planning', 'done']);
  });

  it('goes on after the server was killed and came back', async () => {
    const server = await startFarmServer();
    server.on(EVENTS, (_, response) => {
      response.write(event(requestDetail({ state: 'building' })));
    });
    const [states, told]: [string[], string[]] = [[], []];
    const following = followRequest(createServerClient({ url: server.url }), 'request-1', {
      ...follow(),
      onChange: ({ state }) => states.push(state),
      onLost: () => told.push('lost'),
      onBack: () => told.push('back'),
    });
    await poll('the first event', () => states[0]);
    await server.stop();
    await poll('the loss to be told', () => told[0]);
    server.on(EVENTS, (_, response) => {
      response.end(`${event(done)}event: end\ndata: {}\n\n`);
    });
    await server.start();
    expect((await following).state).toBe('done');
    expect(told).toEqual(['lost', 'back']);
  });

  it('asks again when the stream ends before the request', async () => {
    const server = await startFarmServer();
    let streams = 0;
    server.answer('GET /api/requests/request-1', requestDetail({ state: 'building' }));
    server.on(EVENTS, (_, response) => {
      streams += 1;
      response.end(streams < 3 ? event(requestDetail()) : event(done));
    });
    const last = await followRequest(createServerClient(server), 'request-1', {
      ...follow(),
      onChange: () => undefined,
    });
    expect([last.state, streams]).toEqual(['done', 3]);
  });

  it('gives up when the server refuses, stays away, or speaks another language', async () => {
    const server = await startFarmServer();
    const client = createServerClient({ url: server.url });
    const watch = async (patienceMs: number): Promise<unknown> =>
      await followRequest(client, 'request-1', {
        ...follow(),
        pace: { ...pace, patienceMs },
        onChange: () => undefined,
      });
    server.refuse(EVENTS, 404, 'unknown-request', 'There is no request request-1.');
    await expect(watch(20_000)).rejects.toMatchObject({ code: 'unknown-request' });
    server.on(EVENTS, (_, response) => {
      response.end('data: {"id":1}\n\n');
    });
    await expect(watch(20_000)).rejects.toMatchObject({ code: 'unexpected-answer' });
    await server.stop();
    await expect(watch(50)).rejects.toMatchObject({ code: 'server-unreachable' });
  });

  it('ends at once when it is interrupted', async () => {
    const server = await startFarmServer();
    server.on(EVENTS, (_, response) => {
      response.write(event(requestDetail()));
    });
    const stop = new AbortController();
    const following = followRequest(createServerClient(server), 'request-1', {
      ...follow(),
      signal: stop.signal,
      onChange: () => {
        stop.abort();
      },
    });
    await expect(following).rejects.toBeDefined();
  });
});

describe('following a log', () => {
  const leased = jobView({ state: 'leased', attempt: 1 });
  const succeeded = jobView({ state: 'succeeded', attempt: 1 });
  const TEXT = Array.from({ length: 2000 }, (_, index) => `line ${index} ü\n`).join('');

  it('tells every byte once and in order, through dropped connections and a restart', async () => {
    const server = await startFarmServer();
    const bytes = Buffer.from(TEXT);
    const drops = [1000, 1001, 9000];
    server.answer(JOB, leased);
    server.on(LOG, async ({ query }, response) => {
      const offset = Number(query.get('offset'));
      const end = drops.shift() ?? bytes.length;
      await new Promise((sent) => {
        response.write(bytes.subarray(offset, Math.max(offset, end)), sent);
      });
      response.destroy();
    });
    const received: Uint8Array[] = [];
    let lost = 0;
    const following = followLog(createServerClient({ url: server.url }), 'job-1', {
      ...follow(),
      onBytes: (chunk) => received.push(chunk),
      onLost: () => {
        lost += 1;
      },
    });
    await poll('a drop', () => (lost > 0 ? true : undefined));
    await server.stop();
    server.answer(JOB, succeeded);
    server.on(LOG, ({ query }, response) => {
      response.end(bytes.subarray(Number(query.get('offset'))));
    });
    await server.start();
    expect((await following).state).toBe('succeeded');
    expect(Buffer.concat(received).equals(bytes)).toBe(true);
    expect(server.seen.filter(({ path }) => path.endsWith('/log')).length).toBeGreaterThan(1);
  });

  it('waits for the first attempt and goes over to the next one', async () => {
    const server = await startFarmServer();
    const jobs = [
      jobView({ state: 'ready' }),
      leased,
      jobView({ state: 'leased', attempt: 2 }),
      jobView({ state: 'failed', attempt: 2 }),
    ];
    server.on(JOB, (_, response) => {
      response.end(JSON.stringify(jobs.length > 1 ? jobs.shift() : jobs[0]));
    });
    const logs: Record<string, string> = { 1: 'first, and its last words\n', 2: 'second\n' };
    server.on(LOG, ({ query }, response) => {
      const text = logs[query.get('attempt') ?? ''] ?? '';
      const offset = Number(query.get('offset'));
      const end = query.get('follow') === '1' && query.get('attempt') === '1' ? 5 : text.length;
      response.end(text.slice(offset, end));
    });
    let text = '';
    const ended = await followLog(createServerClient(server), 'job-1', {
      ...follow(),
      onBytes: (chunk) => {
        text += Buffer.from(chunk).toString();
      },
      onAttempt: (attempt) => {
        text += `<${attempt}>`;
      },
    });
    expect(ended.state).toBe('failed');
    expect(text).toBe('<1>first, and its last words\n<2>second\n');
  });
});
