import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { agentViewSchema, idleSchema, leaseReplySchema } from '../../src/protocol/agents.ts';
import { blockedListSchema } from '../../src/protocol/blocked.ts';
import { jobDetailSchema } from '../../src/protocol/builds.ts';
import { bearer, fillFarm } from './api-fixture.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const REASON = '3 different packages failed on it in a row: a/b-1 <&>.';
let farm: TestServer;
let admin: string;
let builder: string;

beforeAll(async () => {
  farm = await startTestServer();
  await fillFarm(farm);
  admin = await farm.token('admin');
  builder = await farm.token('builder');
  const [agent] = farm.builds.agents;
  if (agent !== undefined) {
    farm.builds.agents[0] = {
      ...agent,
      state: 'taken-out',
      stateReason: REASON,
      stateSince: 1,
      trialAt: Date.UTC(2026, 0, 2, 3, 4),
    };
  }
  farm.builds.blocked.push({
    profile: 'web-zen4',
    cpv: 'a/b-1',
    jobId: 'j-2',
    reason: 'gcc <said> no.',
    blockedAt: 5,
  });
  const attempt = { startedAt: 1, finishedAt: 2, outcome: 'failed', code: null };
  farm.builds.attempts.set('j-2', [
    { ...attempt, attempt: 1, agent: 'pre1', fault: 'package', reason: 'gcc <said> no.' },
    { ...attempt, attempt: 2, agent: 'pre2', fault: 'machine', reason: 'No space.' },
  ]);
});

afterAll(async () => {
  await farm.close();
});

async function restore(token: string): Promise<request.Response> {
  return await request(farm.url).post('/api/agents/builder-1/restore').set(bearer(token)).send({});
}

async function textOf(path: string): Promise<string> {
  return (await request(farm.url).get(path).set('accept', 'text/html')).text;
}

describe('what the farm has stopped trying', () => {
  it('is listed, and shown on pages', async () => {
    const { body } = await request(farm.url).get('/api/blocked?profile=web-zen4');
    expect(blockedListSchema.parse(body).blocked).toMatchObject([{ cpv: 'a/b-1', jobId: 'j-2' }]);
    const other = await request(farm.url).get('/api/blocked?profile=web-skylake');
    expect(other.body).toEqual({ blocked: [] });
    const page = await textOf('/requests');
    expect(page).toContain('<a href="/jobs/j-2">a/b-1</a>');
    expect(page).toContain('gcc &lt;said&gt; no.');
  });

  it('is told of a job with the logs of all its attempts', async () => {
    const { body } = await request(farm.url).get('/api/jobs/j-2');
    expect(jobDetailSchema.parse(body).attempts).toMatchObject([
      { agent: 'pre1', fault: 'package', log: '/api/jobs/j-2/log?attempt=1' },
      { agent: 'pre2', fault: 'machine', log: '/api/jobs/j-2/log?attempt=2' },
    ]);
    const page = await textOf('/jobs/j-2');
    expect(page).toContain('<a href="/jobs/j-2?attempt=1">Try 1</a> on pre1: gcc &lt;said&gt; no.');
  });

  it('is tried again when an administrator says so', async () => {
    const body = { profile: 'web-zen4', packages: ['a/b'] };
    const ask = async (token: string): Promise<request.Response> =>
      await request(farm.url).post('/api/blocked/unblock').set(bearer(token)).send(body);
    expect((await ask(builder)).status).toBe(403);
    const done = await ask(admin);
    expect(blockedListSchema.parse(done.body).blocked).toHaveLength(1);
    const again = await ask(admin);
    expect([again.status, again.body.code]).toEqual([409, 'not-blocked']);
  });
});

describe('an agent that was taken out', () => {
  it('is told why when it asks for a job', async () => {
    const { status, body } = await request(farm.url)
      .post('/api/agent/lease')
      .set(bearer(builder))
      .send({ agent: 'builder-1', waitMs: 1 });
    expect(status).toBe(200);
    expect(leaseReplySchema.parse(body)).toEqual({ idle: { state: 'taken-out', reason: REASON } });
    expect(idleSchema.safeParse(body).success).toBe(true);
  });

  it('is named on the pages, with the reason and the command that brings it back', async () => {
    expect(await textOf('/')).toContain('Agents taken out');
    const page = await textOf('/agents');
    expect(page).toContain('It is taken out');
    expect(page).toContain('a/b-1 &lt;&amp;&gt;.');
    expect(page).toContain('after 2026-01-02 03:04 UTC');
    expect(page).toContain('rookery agent restore builder-1');
  });

  it('is brought back by an administrator', async () => {
    expect((await restore(builder)).status).toBe(403);
    expect(agentViewSchema.parse((await restore(admin)).body)).toMatchObject({
      name: 'builder-1',
      state: 'active',
      stateReason: null,
    });
    const again = await restore(admin);
    expect([again.status, again.body.code]).toEqual([409, 'agent-not-taken-out']);
    expect(await textOf('/')).not.toContain('Agents taken out');
  });
});
