import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { z } from 'zod';
import { requestDetailSchema } from '../../src/protocol/builds.ts';
import { collectionTaskSchema } from '../../src/protocol/retention.ts';
import { poll } from '../support/poll.ts';
import { UNSAID_ABILITIES } from '../support/unsaid-abilities.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let farm: TestServer;

beforeAll(async () => {
  farm = await startTestServer();
});

afterAll(async () => {
  await farm.close();
});

interface Reading {
  readonly response: Response;
  /** What has come so far. */
  readonly text: () => string;
  readonly ended: () => boolean;
  readonly leave: () => void;
}

async function read(path: string, init: RequestInit = {}): Promise<Reading> {
  const leave = new AbortController();
  const response = await fetch(`${farm.url}${path}`, { ...init, signal: leave.signal });
  let text = '';
  let ended = false;
  const collect = async (): Promise<void> => {
    const decoder = new TextDecoder();
    for (const reader = response.body?.getReader(); ; ) {
      const next = await reader?.read();
      if (next === undefined || next.done) {
        break;
      }
      text += decoder.decode(next.value, { stream: true });
    }
  };
  const finish = (): void => {
    ended = true;
  };
  void collect().then(finish, finish);
  return { response, text: () => text, ended: () => ended, leave: () => leave.abort() };
}

function dataOf(text: string): z.infer<typeof requestDetailSchema>[] {
  return [...text.matchAll(/^data: (.*)\n\n/gm)]
    .map((match): unknown => JSON.parse(match[1] ?? ''))
    .filter((value) => JSON.stringify(value) !== '{}')
    .map((value) => requestDetailSchema.parse(value));
}

describe('the events of a request', () => {
  it('tell its state at once, each change, and the end', async () => {
    farm.builds.addRequest({ id: 'rq-1', state: 'planning' });
    const reading = await read('/api/requests/rq-1/events');
    await poll('the first event', () => dataOf(reading.text()).length === 1 || undefined);

    await farm.builds.changeRequest('rq-1', { state: 'building' });
    await poll(
      'the change',
      () => dataOf(reading.text()).at(-1)?.state === 'building' || undefined,
    );
    farm.builds.addJob({ id: 'e-1', requestId: 'rq-1' });
    await farm.builds.changeJob('e-1', { state: 'leased', agent: 'builder-1' });
    await poll(
      'the job',
      () => dataOf(reading.text()).at(-1)?.jobs[0]?.state === 'leased' || undefined,
    );
    await farm.builds.changeRequest('rq-1', { state: 'failed', reason: 'No.', finishedAt: 9 });
    await poll('the end', () => reading.ended() || undefined);

    expect(reading.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(dataOf(reading.text()).at(-1)).toMatchObject({ state: 'failed', reason: 'No.' });
    expect(reading.text().endsWith('event: end\ndata: {}\n\n')).toBe(true);
  });

  it('of one that has ended are its state and the end', async () => {
    farm.builds.addRequest({ id: 'rq-over', state: 'done', finishedAt: 1 });
    const reading = await read('/api/requests/rq-over/events');
    await poll('the end', () => reading.ended() || undefined);
    expect(dataOf(reading.text()).map(({ state }) => state)).toEqual(['done']);
    expect(reading.text()).toContain('event: end');
  });

  it('are not told for what happens to others', async () => {
    farm.builds.addRequest({ id: 'rq-2' });
    farm.builds.addRequest({ id: 'rq-3' });
    const [two, three] = [
      await read('/api/requests/rq-2/events'),
      await read('/api/requests/rq-3/events'),
    ];
    await poll('both to begin', () => (two.text() !== '' && three.text() !== '') || undefined);
    await farm.builds.changeRequest('rq-3', { state: 'publishing' });
    await poll('the change', () => dataOf(three.text()).length === 2 || undefined);
    await farm.builds.changeRequest('rq-2', { state: 'publishing' });
    await poll('its own change', () => dataOf(two.text()).length === 2 || undefined);
    expect(two.text()).not.toContain('still here');
    two.leave();
    three.leave();
  });

  it('come together when much happens at once', async () => {
    farm.builds.addRequest({ id: 'rq-4' });
    const reading = await read('/api/requests/rq-4/events');
    await poll('the first event', () => dataOf(reading.text()).length === 1 || undefined);
    const begun = Date.now();
    for (let count = 1; count <= 200; count += 1) {
      await farm.builds.changeRequest('rq-4', { reason: `change ${count}` });
    }
    await poll(
      'the last change',
      () => dataOf(reading.text()).at(-1)?.reason === 'change 200' || undefined,
    );
    const most = (Date.now() - begun) / 500 + 2;
    expect(dataOf(reading.text()).length).toBeLessThanOrEqual(most);
    reading.leave();
  });

  it('are not told again when nothing of the request has changed', async () => {
    farm.builds.addRequest({ id: 'rq-same' });
    const reading = await read('/api/requests/rq-same/events');
    await poll('the first event', () => dataOf(reading.text()).length === 1 || undefined);
    const first = reading.text();
    let looks = 0;
    const findRequest = farm.builds.findRequest.bind(farm.builds);
    farm.builds.findRequest = async (id) => {
      looks += 1;
      return await findRequest(id);
    };
    try {
      for (const round of [1, 2]) {
        await farm.journal.record({
          kind: 'looked-at',
          subject: 'request:rq-same',
          actor: 'server',
          data: {},
        });
        await poll('another look', () => looks >= round || undefined);
      }
      expect(reading.text()).toBe(first);
    } finally {
      farm.builds.findRequest = findRequest;
      reading.leave();
    }
  });

  it('have only headers for HEAD', async () => {
    const response = await fetch(`${farm.url}/api/requests/rq-4/events`, { method: 'HEAD' });
    expect([response.status, await response.text()]).toEqual([200, '']);
  });

  it('leave no listener behind', async () => {
    farm.builds.addRequest({ id: 'rq-5' });
    const listeners: unknown[] = [];
    const listen = farm.journal.listen.bind(farm.journal);
    farm.journal.listen = (listener) => {
      const unlisten = listen(listener);
      listeners.push(listener);
      return () => {
        listeners.splice(listeners.indexOf(listener), 1);
        unlisten();
      };
    };
    const readings = [
      await read('/api/requests/rq-5/events'),
      await read('/api/requests/rq-5/events'),
    ];
    await fetch(`${farm.url}/api/requests/none/events`);
    await poll('both to begin', () => readings.every(({ text }) => text() !== '') || undefined);
    expect(listeners).toHaveLength(2);
    for (const { leave } of readings) {
      leave();
    }
    await poll('nobody to listen', () => listeners.length === 0 || undefined);
    farm.journal.listen = listen;
  });
});

function removed(done: number) {
  return { profile: 'web', stage: 'removing', done, total: 9 } as const;
}

describe('the events of a collection', () => {
  it('tell how far it is, and the end', async () => {
    const { retention } = farm.repository;
    retention.move(removed(1));
    const reading = await read('/api/repository/collect/events');
    await poll('the first event', () => reading.text().includes('"done":1,') || undefined);
    retention.move(removed(5));
    await poll('the change', () => reading.text().includes('"done":5,') || undefined);
    retention.move(undefined);
    await poll('the end', () => reading.ended() || undefined);
    expect(reading.text()).toMatch(
      /data: {"task":null,"underWay":null}\n\nevent: end\ndata: {}\n\n$/,
    );
  });

  it('are over at once when none is under way', async () => {
    const response = await fetch(`${farm.url}/api/repository/collect/events`);
    expect(await response.text()).toBe(
      'data: {"task":null,"underWay":null}\n\nevent: end\ndata: {}\n\n',
    );
  });
});

describe('a collection that is begun', () => {
  it('is answered at once, and told of until its end', async () => {
    const headers = {
      authorization: `Bearer ${await farm.token('admin')}`,
      'content-type': 'application/json',
    };
    const begin = async (body: object): Promise<Response> =>
      await fetch(`${farm.url}/api/repository/collect`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
    expect((await begin({ profile: 'none' })).status).toBe(404);
    const answer = await begin({ profile: 'web-zen4', dryRun: true });
    const begun = collectionTaskSchema.parse(await answer.json());
    expect(answer.status).toBe(202);
    expect(begun).toMatchObject({ state: 'running', profile: 'web-zen4', dryRun: true });
    const text = await (await fetch(`${farm.url}/api/repository/collect/events`)).text();
    expect(text).toContain(`"id":"${begun.id}","state":"failed"`);
    expect(text).toContain('"error":"nothing is collected here"');
    expect(text.endsWith('event: end\ndata: {}\n\n')).toBe(true);
  });
});

function write(jobId: string, attempt: number, offset: number, text: string): void {
  farm.builds.writeLog(jobId, attempt, offset, Buffer.from(text));
}

describe('the log of a job', () => {
  it('is given from an offset on, for any attempt', async () => {
    farm.builds.addJob({ id: 'l-1', requestId: 'rq-1', state: 'leased', attempt: 2, agent: 'a' });
    write('l-1', 1, 0, 'first try\n');
    write('l-1', 2, 0, 'second try\n');
    const get = async (query: string): Promise<string> =>
      await (await fetch(`${farm.url}/api/jobs/l-1/log${query}`)).text();

    expect(await get('')).toBe('second try\n');
    expect(await get('?offset=7')).toBe('try\n');
    expect(await get('?attempt=1')).toBe('first try\n');
    expect(await get('?attempt=1&follow=1')).toBe('first try\n');
    expect(await get('?offset=1000')).toBe('');
  });

  it('is followed until the job has ended', async () => {
    farm.builds.addJob({ id: 'l-2', requestId: 'rq-1', state: 'leased', attempt: 1, agent: 'a' });
    write('l-2', 1, 0, 'one\n');
    const reading = await read('/api/jobs/l-2/log?follow=1');
    await poll('the beginning', () => reading.text() === 'one\n' || undefined);
    write('l-2', 1, 4, 'two\n');
    await poll('more', () => reading.text() === 'one\ntwo\n' || undefined);
    expect(reading.ended()).toBe(false);
    write('l-2', 1, 8, 'three\n');
    await farm.builds.changeJob('l-2', { state: 'succeeded' });
    await poll('the end', () => reading.ended() || undefined);

    expect(reading.text()).toBe('one\ntwo\nthree\n');
    expect(reading.response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(farm.builds.followerCount('l-2')).toBe(0);
  });

  it('may be waited for before there is one', async () => {
    farm.builds.addJob({ id: 'l-3', requestId: 'rq-1' });
    const reading = await read('/api/jobs/l-3/log?follow=1');
    await poll('a follower', () => farm.builds.followerCount('l-3') === 1 || undefined);
    await farm.builds.changeJob('l-3', { state: 'leased', attempt: 1, agent: 'a' });
    write('l-3', 1, 0, 'begun\n');
    await poll('the beginning', () => reading.text() === 'begun\n' || undefined);
    await farm.builds.changeJob('l-3', { state: 'ready', attempt: 2 });
    await poll('the end of the attempt', () => reading.ended() || undefined);
  });

  it('of a job that never began ends when the job does', async () => {
    farm.builds.addJob({ id: 'l-4', requestId: 'rq-1' });
    const reading = await read('/api/jobs/l-4/log?follow=1');
    await poll('a follower', () => farm.builds.followerCount('l-4') === 1 || undefined);
    await farm.builds.changeJob('l-4', { state: 'skipped' });
    await poll('the end', () => reading.ended() || undefined);
    expect(reading.text()).toBe('');
  });

  it('larger than a piece arrives whole', async () => {
    farm.builds.addJob({ id: 'l-5', requestId: 'rq-1', state: 'failed', attempt: 1 });
    const text = 'a line of a build log that is long enough\n'.repeat(40_000);
    write('l-5', 1, 0, text);
    expect(await (await fetch(`${farm.url}/api/jobs/l-5/log?follow=1`)).text()).toBe(text);
  });

  it('is no longer followed when the client goes away', async () => {
    farm.builds.addJob({ id: 'l-6', requestId: 'rq-1', state: 'leased', attempt: 1, agent: 'a' });
    const reading = await read('/api/jobs/l-6/log?follow=1');
    await poll('a follower', () => farm.builds.followerCount('l-6') === 1 || undefined);
    reading.leave();
    await poll('no follower', () => farm.builds.followerCount('l-6') === 0 || undefined);
  });
});

describe('a server that stops', () => {
  it('ends streams without saying that the request has ended', async () => {
    const other = await startTestServer();
    other.builds.addRequest({ id: 'rq-1' });
    other.builds.addJob({ id: 'j-1', requestId: 'rq-1', state: 'leased', attempt: 1, agent: 'a' });
    await other.builds.registerAgent({
      name: 'a',
      chost: '',
      cpuFlags: [],
      cores: 1,
      memoryBytes: 0,
      portageVersion: null,
      executors: [],
      ...UNSAID_ABILITIES,
    });
    const token = await other.token('builder');
    const events = await fetch(`${other.url}/api/requests/rq-1/events`);
    const log = await fetch(`${other.url}/api/jobs/j-1/log?follow=1`);
    const lease = fetch(`${other.url}/api/agent/lease`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ agent: 'a', waitMs: 60_000 }),
    });
    await poll('the agent to wait', () => other.builds.waiting === 1 || undefined);
    other.stopping.abort();

    expect(await events.text()).not.toContain('event: end');
    expect(await log.text()).toBe('');
    expect((await lease).status).toBe(204);
    await other.close();
  });
});
