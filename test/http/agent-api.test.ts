import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import {
  heartbeatReplySchema,
  leaseSchema,
  logReplySchema,
  registrationSchema,
} from '../../src/protocol/agents.ts';
import { packageViewSchema } from '../../src/protocol/packages.ts';
import { poll } from '../support/poll.ts';
import { LIMITS, SOURCE_BYTES } from './fake-builds.ts';
import { hardwareProfile, PUBLIC_KEY, startTestServer, type TestServer } from './test-server.ts';

const AGENT = {
  name: 'builder-1',
  chost: 'x86_64-pc-linux-gnu',
  cpuFlags: ['avx2'],
  cores: 16,
  memoryBytes: 2 ** 35,
  portageVersion: '3.0.82',
  executors: ['portage'],
};

let farm: TestServer;
let builder: string;

beforeAll(async () => {
  farm = await startTestServer();
  builder = await farm.token('builder');
  farm.builds.addRequest({ id: 'rq-a' });
  farm.builds.addJob({
    id: 'j-1',
    requestId: 'rq-a',
    state: 'leased',
    attempt: 2,
    agent: 'builder-1',
    reason: null,
  });
});

afterAll(async () => {
  await farm.close();
});

function* endlessBytes(): Iterable<Buffer> {
  for (;;) {
    yield Buffer.alloc(65_536);
  }
}

async function post(path: string, body?: string | object): Promise<request.Response> {
  return await request(farm.url)
    .post(`/api/agent/${path}`)
    .set('authorization', `Bearer ${builder}`)
    .send(body);
}

describe('an agent', () => {
  it('registers, and learns how often to report and whom to trust', async () => {
    const response = await post('register', AGENT);
    expect(registrationSchema.parse(response.body)).toEqual({
      agent: 'builder-1',
      heartbeatMs: 5000,
      publicKey: PUBLIC_KEY,
    });
    expect((await farm.builds.listAgents()).map(({ name }) => name)).toEqual(['builder-1']);
  });

  it.each([
    ['a bad name', { ...AGENT, name: '../x' }],
    ['no cores', { ...AGENT, cores: 0 }],
    ['an unknown executor', { ...AGENT, executors: ['magic'] }],
    ['a key too many', { ...AGENT, root: true }],
  ])('with %s is refused', async (_name, body) => {
    const response = await post('register', body);
    expect([response.status, response.body.code]).toEqual([400, 'invalid-body']);
  });

  it('is given a job, with the path of its staging tree', async () => {
    farm.builds.leases.push({
      jobId: 'j-1',
      requestId: 'rq-a',
      attempt: 2,
      expiresAt: 1,
      profile: hardwareProfile({ name: 'web-zen4' }),
      staging: 'j-1-2',
      limits: LIMITS,
      work: { kind: 'portage-package', cpv: 'dev-lang/php-8.4.1', repo: 'gentoo' },
    });
    const given = await post('lease', { agent: 'builder-1', waitMs: 1000 });
    const nothing = await post('lease', { agent: 'builder-1', waitMs: 1 });
    const stranger = await post('lease', { agent: 'builder-9', waitMs: 1 });

    expect(leaseSchema.parse(given.body)).toMatchObject({
      stagingPath: '/staging/j-1-2/',
      attempt: 2,
    });
    expect([nothing.status, nothing.text]).toEqual([204, '']);
    expect([stranger.status, stranger.body.code]).toEqual([404, 'unknown-agent']);
  });

  it('that goes away while it waits is not waited for', async () => {
    const leave = new AbortController();
    const waiting = fetch(`${farm.url}/api/agent/lease`, {
      method: 'POST',
      headers: { authorization: `Bearer ${builder}`, 'content-type': 'application/json' },
      body: JSON.stringify({ agent: 'builder-1', waitMs: 60_000 }),
      signal: leave.signal,
    });
    await poll('the agent to wait', () => farm.builds.waiting === 1 || undefined);
    leave.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    await poll('nobody to wait', () => farm.builds.waiting === 0 || undefined);
  });

  it('keeps its lease, writes its log, and hands in plan, package and result', async () => {
    const key = 'agent=builder-1&attempt=2';
    const beat = await post(`jobs/j-1/heartbeat?${key}`);
    const log = await request(farm.url)
      .post(`/api/agent/jobs/j-1/log?${key}&offset=0`)
      .set({ authorization: `Bearer ${builder}`, 'content-type': 'application/octet-stream' })
      .send(Buffer.from('>>> compiling\n'));
    const source = await request(farm.url)
      .get(`/api/agent/jobs/j-1/source?${key}`)
      .set('authorization', `Bearer ${builder}`)
      .buffer(true)
      .parse((response, done) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          done(null, Buffer.concat(chunks));
        });
      });
    const plan = await post(`jobs/j-1/plan?${key}`, {
      ok: true,
      portage: '3.0.82',
      chost: AGENT.chost,
      packages: [],
      edges: [],
      problems: [],
    });
    const bytes = Buffer.from('package dev-lang/php-8.4.1');
    const sha512 = createHash('sha512').update(bytes).digest('hex');
    const pushed = await request(farm.url)
      .put(`/api/agent/jobs/j-1/package?${key}&sha512=${sha512}`)
      .set('authorization', `Bearer ${builder}`)
      .send(bytes);
    const result = await post(`jobs/j-1/result?${key}`, {
      outcome: 'failed',
      reason: 'It does not compile.',
    });

    expect(heartbeatReplySchema.parse(beat.body)).toEqual({ command: 'go-on' });
    expect(logReplySchema.parse(log.body)).toEqual({ size: 14, isFollowed: false });
    expect([source.headers['content-length'], source.body]).toEqual([
      String(SOURCE_BYTES.length),
      SOURCE_BYTES,
    ]);
    expect([plan.status, plan.body, farm.builds.plans.length]).toEqual([200, { rebuild: [] }, 1]);
    expect(packageViewSchema.parse(pushed.body).cpv).toBe('dev-lang/php-8.4.1');
    expect(result.status).toBe(204);
    expect(farm.builds.results).toEqual([
      {
        key: { jobId: 'j-1', attempt: 2, agent: 'builder-1' },
        outcome: 'failed',
        reason: 'It does not compile.',
      },
    ]);
  });

  it('may leave in the middle of a source, and nobody is alarmed', async () => {
    const openSource = farm.builds.openSource.bind(farm.builds);
    const stream = Readable.from(endlessBytes());
    farm.builds.openSource = async () => ({ stream, size: 2 ** 40 });
    const leave = new AbortController();
    const response = await fetch(
      `${farm.url}/api/agent/jobs/j-1/source?agent=builder-1&attempt=2`,
      { headers: { authorization: `Bearer ${builder}` }, signal: leave.signal },
    );
    expect(response.headers.get('content-length')).toBe(String(2 ** 40));
    leave.abort();
    await poll('the source to be closed', () => stream.destroyed || undefined);
    await poll('the line in the log', () =>
      farm.logLines.find(
        (line) => line['abandoned'] === true && String(line['path']).endsWith('/source'),
      ),
    );
    farm.builds.openSource = openSource;
    expect(farm.logLines.filter(({ level }) => Number(level) >= 40)).toEqual([]);
  });

  it('learns where its log goes on when a part is missing', async () => {
    const response = await post('jobs/j-1/log?agent=builder-1&attempt=2&offset=900', 'more');
    expect([response.status, response.body.code, response.body.details]).toEqual([
      409,
      'log-gap',
      { size: 14 },
    ]);
  });

  it.each(['heartbeat', 'log', 'plan', 'result'])(
    'that comes late with its %s gets 409',
    async (word) => {
      const bodies: Record<string, object> = {
        plan: { ok: true, portage: '', chost: '', packages: [], edges: [], problems: [] },
        result: { outcome: 'succeeded' },
      };
      const response = await post(
        `jobs/j-1/${word}?agent=builder-1&attempt=1&offset=0`,
        bodies[word],
      );
      expect([response.status, response.body.code]).toEqual([409, 'stale-attempt']);
    },
  );

  it.each([
    'jobs/j-1/heartbeat',
    'jobs/j-1/heartbeat?agent=a',
    'jobs/j-1/heartbeat?agent=a&attempt=0',
    'jobs/j-1/log?agent=a&attempt=1',
  ])('that calls %s is told what is missing', async (path) => {
    const response = await post(path);
    expect([response.status, response.body.code]).toEqual([400, 'invalid-query']);
  });

  it('may hand in a plan of more than a megabyte', async () => {
    const problems = Array.from({ length: 900 }, (_, index) => `${index} ${'x'.repeat(5000)}`);
    const response = await post('jobs/j-1/plan?agent=builder-1&attempt=2', {
      ok: false,
      portage: '3',
      chost: '',
      packages: [],
      edges: [],
      problems,
    });
    expect(response.status).toBe(200);
  });
});
