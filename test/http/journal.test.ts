import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { type EventView, journalViewSchema } from '../../src/protocol/journal.ts';
import { poll } from '../support/poll.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const SRC = resolve(import.meta.dirname, '../../src');
const STABLE = 'channel:web/stable';
let farm: TestServer;

beforeAll(async () => {
  farm = await startTestServer();
  for (let at = 1; at <= 250; at += 1) {
    await farm.journal.record({
      kind: at % 5 === 0 ? 'promoted' : 'published',
      subject: at % 2 === 0 ? STABLE : 'channel:web/testing',
      actor: at % 3 === 0 ? 'token:ops' : 'token:<b>eve',
      data: { serial: at, reason: `<why> ${at}` },
    });
  }
});

afterAll(async () => {
  await farm.close();
});

async function events(query: string): Promise<EventView[]> {
  const { body, status } = await request(farm.url).get(`/api/journal${query}`);
  expect(status).toBe(200);
  return journalViewSchema.parse(body).events;
}

async function serials(query: string): Promise<unknown[]> {
  return (await events(query)).map(({ data }) => data['serial']);
}

describe('the journal', () => {
  it('is read newest first, and from any place on', async () => {
    expect(await serials('?limit=3')).toEqual([250, 249, 248]);
    const [, , third] = await events('?limit=3');
    expect(await serials(`?limit=2&before=${third?.seq}`)).toEqual([247, 246]);
    expect(await serials(`?limit=5&after=${third?.seq}`)).toEqual([249, 250]);
  });

  it('is read by what it happened to, by kind, and by who did it', async () => {
    expect(await serials(`?subject=${STABLE}&kind=promoted&limit=3`)).toEqual([250, 240, 230]);
    expect(await serials(`?subject=${STABLE}&kind=promoted&actor=token:ops&limit=2`)).toEqual([
      240, 210,
    ]);
    expect(await serials('?kind=nothing')).toEqual([]);
  });

  it.each(['?limit=0', '?limit=1001', '?before=x', '?after=-1'])('refuses %s', async (query) => {
    const { status, body } = await request(farm.url).get(`/api/journal${query}`);
    expect([status, body]).toEqual([400, expect.objectContaining({ code: 'invalid-query' })]);
  });

  it('is a page, which pages on and shows foreign text as text', async () => {
    const { text } = await request(farm.url).get('/journal').set('accept', 'text/html');
    expect(text).toContain('&lt;why&gt; 250');
    expect(text).not.toContain('&lt;why&gt; 150');
    const next = /rel="next" href="([^"]+)"/.exec(text)?.[1]?.replaceAll('&amp;', '&') ?? '';
    const older = await request(farm.url).get(next).set('accept', 'text/html');
    expect(older.text).toContain('&lt;why&gt; 150');
    expect(older.text).not.toContain('&lt;why&gt; 151<');
    const one = await request(farm.url)
      .get('/journal?kind=promoted&actor=token:ops')
      .set('accept', 'text/html');
    expect(one.text.match(/&lt;why&gt;/g)).toHaveLength(16);
    expect(one.text).toContain('<a href="/profiles/web/stable">');
  });

  it('has no statement that changes or removes an event', () => {
    const statements = readdirSync(SRC, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
    const writing = statements.flatMap((text) => text.match(/\w+\('events'\)/g) ?? []);
    expect(new Set(writing)).toEqual(new Set(["insertInto('events')", "selectFrom('events')"]));
    const raw = statements.filter((text) =>
      /(?:update|delete from|drop table) events\b/i.test(text),
    );
    expect(raw).toEqual([]);
  });
});

async function follow(query: string, headers: Record<string, string> = {}) {
  const leave = new AbortController();
  const url = `${farm.url}/api/journal/stream${query}`;
  const response = await fetch(url, { headers, signal: leave.signal });
  let text = '';
  const reading = (async () => {
    const decoder = new TextDecoder();
    for (const reader = response.body?.getReader(); ; ) {
      const next = await reader?.read();
      if (next === undefined || next.done) {
        return;
      }
      text += decoder.decode(next.value, { stream: true });
    }
  })().catch(() => undefined);
  return {
    type: response.headers.get('content-type'),
    seen: () => [...text.matchAll(/"serial":([0-9]+)/g)].map((match) => Number(match[1])),
    text: () => text,
    leave: async () => {
      leave.abort();
      await reading;
    },
  };
}

async function happens(serial: number, subject = STABLE): Promise<void> {
  const event = { kind: 'promoted', subject, actor: 'server', data: { serial } };
  await farm.journal.record(event);
}

describe('the stream of the journal', () => {
  it('tells what happens from now on, with kind and number', async () => {
    const stream = await follow('');
    await happens(1001);
    await poll('the event', () => stream.seen().includes(1001) || undefined);
    expect(stream.type).toBe('text/event-stream; charset=utf-8');
    expect(stream.seen()).toEqual([1001]);
    expect(stream.text()).toMatch(/^id: [0-9]+\nevent: promoted\ndata: \{.*\}\n\n$/);
    await stream.leave();
  });

  it('goes on where a client was, and tells each event once', async () => {
    const [newest] = await events('?limit=1');
    for (let serial = 2001; serial <= 2700; serial += 1) {
      await happens(serial);
    }
    const stream = await follow('?after=1', { 'last-event-id': String(newest?.seq) });
    await happens(2701);
    await poll('the last event', () => stream.seen().at(-1) === 2701 || undefined);
    expect(stream.seen()).toEqual(Array.from({ length: 701 }, (_, at) => 2001 + at));
    await stream.leave();
  });

  it('tells only what was asked for', async () => {
    const stream = await follow('?subject=channel:other/stable');
    await happens(3001);
    await happens(3002, 'channel:other/stable');
    await poll('the event', () => stream.seen().length > 0 || undefined);
    expect(stream.seen()).toEqual([3002]);
    await stream.leave();
  });
});
