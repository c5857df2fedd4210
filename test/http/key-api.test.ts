import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { keysPage } from '../../src/http/web/pages/keys-page.ts';
import { keyListSchema } from '../../src/protocol/keys.ts';
import type { ResignState } from '../../src/repository/resign/resign-task.ts';
import { noResign, VALID_DAYS } from '../keys/open-test-keys.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const DAY_MS = 86_400_000;
let server: TestServer;
let admin: string;

beforeAll(async () => {
  server = await startTestServer();
  admin = await server.token('admin');
});

afterAll(async () => {
  await server.close();
});

async function post(path: string, body: object, token = admin): Promise<Response> {
  return await fetch(`${server.url}/api/keys${path}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
}

async function list() {
  return keyListSchema.parse(await (await fetch(`${server.url}/api/keys`)).json());
}

async function metric(pattern: RegExp): Promise<string[]> {
  const response = await fetch(`${server.url}/metrics`);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return (await response.text()).split('\n').filter((line) => pattern.test(line));
}

describe('the API of the keys', () => {
  it('is for administrators where it changes something', async () => {
    const builder = await server.token('builder');
    for (const path of ['/rotate', '/extend', '/resign', `/${'A'.repeat(40)}/revoke`]) {
      expect((await post(path, {}, builder)).status).toBe(403);
    }
    expect((await list()).keys).toHaveLength(1);
  });

  it('rotates, extends and revokes', async () => {
    const [first] = (await list()).keys;
    const made = await post('/rotate', { kind: 'primary', overlapDays: 2, reason: 'yearly' });
    expect(made.status).toBe(201);
    const [, next] = keyListSchema.parse(await made.json()).keys;
    expect(next).toMatchObject({
      state: 'next',
      takesOverAt: server.clock.now() + 2 * DAY_MS,
      expiresAt: server.clock.now() + VALID_DAYS * DAY_MS,
    });
    const again = await post('/rotate', {});
    expect([again.status, await again.json()]).toEqual([
      409,
      expect.objectContaining({ code: 'key-rotation-under-way' }),
    ]);
    expect((await post('/rotate', { now: true })).status).toBe(201);
    expect((await post(`/${next?.fingerprint}/revoke`, { cause: 'retired' })).status).toBe(409);
    expect((await post(`/${'A'.repeat(40)}/revoke`, { cause: 'retired' })).status).toBe(404);
    const revoked = await post(`/${first?.primaryFingerprint.toLowerCase()}/revoke`, {
      cause: 'superseded',
      reason: 'done with it',
    });
    expect(revoked.status).toBe(200);
    const extended = keyListSchema.parse(await (await post('/extend', { days: 400 })).json());
    expect(extended.keys.map(({ state }) => state).toSorted()).toEqual(['current', 'revoked']);
    expect(extended.keys.find(({ state }) => state === 'current')?.expiresAt).toBe(
      server.clock.now() + 400 * DAY_MS,
    );
    const events = await server.journal.latest(10);
    expect(events.map(({ kind, actor, data }) => [kind, actor, data['reason']])).toEqual([
      ['key-extended', 'token:test-admin', ''],
      ['key-revoked', 'token:test-admin', 'done with it'],
      ['key-took-over', 'token:test-admin', ''],
      ['key-made', 'token:test-admin', 'yearly'],
      ...events.slice(4).map(({ kind, actor, data }) => [kind, actor, data['reason']]),
    ]);
  });

  it('shows on a page what each key is for, and how far signing again is', async () => {
    const text = await (await fetch(`${server.url}/signing`)).text();
    const { keys } = await list();
    for (const { fingerprint, state } of keys) {
      expect(text).toContain(`title="${fingerprint}"`);
      expect(text).toContain(`>${state}</span>`);
    }
    expect(text).not.toContain('Signing again');
    expect(await (await fetch(server.url)).text()).toContain('href="/signing"');

    const state: ResignState = {
      id: 'resign-1',
      state: 'running',
      fingerprint: 'A'.repeat(40),
      startedAt: server.clock.now(),
      finishedAt: null,
      done: 3,
      total: 40,
      skipped: [{ id: 'pkg-1', reason: 'Its file is <gone>.' }],
      refused: ['One finding speaks against it.'],
      remainingMs: 120_000,
      error: null,
    };
    const resign = { ...noResign, state: () => state };
    const running = keysPage({ ...server.context, resign }).main.toString();
    expect(running).toContain('value="3"');
    expect(running).toMatch(/3 of 40 packages with the key A{16}: about 2 min left/);
    expect(running).toContain('<a href="/packages/pkg-1">pkg-1</a>: Its file is &lt;gone&gt;.');
    expect(running).toContain('One finding speaks against it.');
    const ended = { ...state, state: 'done' as const, finishedAt: server.clock.now() };
    const after = keysPage({ ...server.context, resign: { ...noResign, state: () => ended } });
    expect(after.main.toString()).toContain('ended <time');
  });

  it('warns on pages, in the API and by numbers', async () => {
    const before = await (await fetch(server.url)).text();
    expect(before).not.toContain('Needs attention');
    const { keys } = await list();
    const current = keys.find(({ state }) => state === 'current');
    server.clock.advance((current?.expiresAt ?? 0) - server.clock.now() - 10 * DAY_MS);

    const { warnings } = await list();
    expect(warnings).toEqual([expect.stringContaining(`${current?.fingerprint} expires on`)]);
    const page = await (await fetch(server.url)).text();
    expect(page).toContain('Needs attention');
    expect(page).toContain(`key ${current?.fingerprint} expires on`);
    expect(await metric(/^rookery_key_expires_timestamp_seconds\{/)).toEqual([
      `rookery_key_expires_timestamp_seconds{fingerprint="${current?.fingerprint}",state="current"} ${(current?.expiresAt ?? 0) / 1000}`,
    ]);
    const accepted = `rookery_key_accepted{fingerprint="${current?.fingerprint}",state="current"}`;
    expect(await metric(/^rookery_key_accepted.*current/)).toEqual([`${accepted} 1`]);
    server.clock.advance(11 * DAY_MS);
    expect(await metric(/^rookery_key_accepted.*current/)).toEqual([`${accepted} 0`]);
    server.faults.push('broken');
    expect(await metric(/^rookery_ready/)).toEqual(['rookery_ready 0']);
    server.faults.pop();
    expect(await metric(/^rookery_ready/)).toEqual(['rookery_ready 1']);
    expect((await metric(/^# TYPE /)).length).toBe((await metric(/^# HELP /)).length);
  });
});
