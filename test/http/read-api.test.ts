import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import type { z } from 'zod';
import { agentListSchema } from '../../src/protocol/agents.ts';
import {
  jobViewSchema,
  requestDetailSchema,
  requestListSchema,
} from '../../src/protocol/builds.ts';
import { channelViewSchema } from '../../src/protocol/channels.ts';
import { problemSchema } from '../../src/protocol/common.ts';
import {
  packageDetailSchema,
  packageListSchema,
  profileListSchema,
  profileViewSchema,
} from '../../src/protocol/packages.ts';
import { fillFarm } from './api-fixture.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let farm: TestServer;

beforeAll(async () => {
  farm = await startTestServer();
  await fillFarm(farm);
});

afterAll(async () => {
  await farm.close();
});

async function get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  const response = await request(farm.url).get(path);
  expect([path, response.status]).toEqual([path, 200]);
  expect(response.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(response.headers['cache-control']).toBe('no-store');
  return schema.parse(response.body);
}

async function packageNames(query: string): Promise<unknown> {
  const { packages, total } = await get(
    `/api/profiles/web-zen4/packages${query}`,
    packageListSchema,
  );
  return [packages.map(({ cpv }) => cpv), total];
}

describe('what anybody may read', () => {
  it('profiles, with those that are broken', async () => {
    const list = await get('/api/profiles', profileListSchema);
    const one = await get('/api/profiles/web-zen4', profileViewSchema);

    expect(list.profiles.map(({ name }) => name)).toEqual(['web-zen4', 'web-skylake']);
    expect(list.broken).toHaveProperty('web-sparc');
    expect(one.makeConf).toContain('-march=znver4');
  });

  it('packages of a profile, of a channel, by search and by page', async () => {
    expect(await packageNames('')).toEqual([['dev-lang/php-8.4.1', 'dev-libs/libxml2-2.13.4'], 2]);
    expect(await packageNames('?channel=testing')).toEqual([['dev-lang/php-8.4.1'], 1]);
    expect(await packageNames('?search=LIBXML')).toEqual([['dev-libs/libxml2-2.13.4'], 1]);
    expect(await packageNames('?limit=1&offset=1')).toEqual([['dev-libs/libxml2-2.13.4'], 2]);
  });

  it('one package with its metadata', async () => {
    const detail = await get('/api/packages/pkg-web-zen4-php-8.4.1-1', packageDetailSchema);
    expect(detail).toMatchObject({ slot: '8.4', md5: 'a'.repeat(32), metadata: { SLOT: '0' } });
  });

  it('a channel, with what it showed before', async () => {
    const shown = await get('/api/profiles/web-zen4/channels/testing', channelViewSchema);
    const empty = await get('/api/profiles/web-zen4/channels/stable', channelViewSchema);

    expect(shown.uri).toBe(`${farm.url}/binhost/web-zen4/testing`);
    expect(shown.current).toMatchObject({ serial: 1, reason: 'php 8.4', author: 'token:ops' });
    expect(shown.publications).toHaveLength(1);
    expect(empty).toMatchObject({ current: null, publications: [] });
  });

  it('requests and jobs', async () => {
    const list = await get('/api/requests?profile=web-zen4', requestListSchema);
    const none = await get('/api/requests?profile=web-skylake', requestListSchema);
    const detail = await get('/api/requests/rq-a', requestDetailSchema);
    const job = await get('/api/jobs/j-2', jobViewSchema);

    expect(list.requests.map(({ id }) => id)).toEqual(['rq-a']);
    expect(none.requests).toEqual([]);
    expect(detail.jobs.map(({ id }) => id)).toEqual(['j-1', 'j-2']);
    expect(detail.packages).toEqual([
      {
        id: 'pkg-web-zen4-php-8.4.1-1',
        cpv: 'dev-lang/php-8.4.1',
        buildId: 1,
        how: 'reused',
        leftOut: null,
      },
    ]);
    expect(job).toMatchObject({ needs: ['j-1'], reason: 'Waits for an agent.' });
  });

  it('the publication that came of a request', async () => {
    farm.builds.addRequest({ id: 'rq-done', publish: 'testing', state: 'done', finishedAt: 1 });
    const made = await farm.repository.publish({
      profile: 'web-zen4',
      channel: 'testing',
      author: 'server',
      reason: '',
      requestId: 'rq-done',
    });
    const detail = await get('/api/requests/rq-done', requestDetailSchema);
    expect(detail.publication).toEqual({ channel: 'testing', serial: made.serial });
  });

  it('why there is no plan, with the lines that would help, in the API and on the page', async () => {
    const fix = { file: 'package.use', line: '>=dev-libs/egg-1 -<fresh>' };
    const problem = {
      code: 'cycle',
      packages: ['dev-libs/egg-1::lab', 'dev-libs/hen-1::lab'],
      alternatives: [fix, { file: 'package.use', line: '>=dev-libs/hen-1 x' }],
    } as const;
    farm.builds.addRequest({ id: 'rq-stuck', state: 'failed', finishedAt: 1 });
    farm.builds.problems.set('rq-stuck', [
      { ...problem, packages: [...problem.packages], alternatives: [...problem.alternatives] },
      'What an old agent says.',
    ]);
    const { problems } = await get('/api/requests/rq-stuck', requestDetailSchema);
    expect(
      problems.map(({ data, ...shown }) => ({ ...shown, isData: typeof data === 'object' })),
    ).toEqual([
      {
        code: 'cycle',
        sentence:
          'These packages need each other to be built: dev-libs/egg-1::lab -> dev-libs/hen-1::lab -> dev-libs/egg-1::lab.',
        lines: problem.alternatives,
        enough: 'one',
        advice: null,
        isData: true,
      },
      {
        code: 'said',
        sentence: 'What an old agent says.',
        lines: [],
        enough: 'all',
        advice: null,
        isData: false,
      },
    ]);
    const page = await (await fetch(`${farm.url}/requests/rq-stuck`)).text();
    expect(page).toContain('Why there is no plan');
    expect(page).toContain('One of these lines in the <code>portage</code> folder');
    expect(page).toMatch(/<code>package\.use<\/code>[^]*&gt;=dev-libs\/egg-1 -&lt;fresh&gt;/);
  });

  it('agents, and whether they are here', async () => {
    const before = await get('/api/agents', agentListSchema);
    farm.clock.advance(60_000 + 15_000);
    const waiting = await get('/api/agents', agentListSchema);
    farm.clock.advance(1);
    const after = await get('/api/agents', agentListSchema);

    expect([before, waiting, after].map(({ agents }) => agents[0]?.isLive)).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('the set-up script, by either name', async () => {
    const answers = await Promise.all(
      [
        '/setup/web-zen4/stable.sh',
        '/api/profiles/web-zen4/client?channel=stable',
        '/api/profiles/web-zen4/client',
      ].map(async (path) => await request(farm.url).get(path).buffer(true)),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(answers[0]?.headers['content-type']).toBe('text/x-shellscript; charset=utf-8');
    expect(answers[0]?.text).toContain(`${farm.url}/binhost/web-zen4/stable`);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  });

  it('whether it lives, and whether it can work', async () => {
    const ready = await request(farm.url).get('/readyz');
    farm.faults.push('The database does not answer.');
    const unready = await request(farm.url).get('/readyz');
    const alive = await request(farm.url).get('/healthz');
    farm.faults.pop();

    expect([ready.status, unready.status, alive.status]).toEqual([200, 503, 200]);
    expect(unready.body).toEqual({ ready: false, reasons: ['The database does not answer.'] });
  });

  it.each([
    ['/api/profiles/nobody', 'unknown-profile'],
    ['/api/profiles/nobody/packages', 'unknown-profile'],
    ['/api/profiles/web-zen4/packages?channel=nightly', 'unknown-channel'],
    ['/api/profiles/web-zen4/channels/nightly', 'unknown-channel'],
    ['/api/profiles/web-zen4/client?channel=nightly', 'unknown-channel'],
    ['/setup/web-zen4/nightly.sh', 'unknown-channel'],
    ['/setup/nobody/stable.sh', 'unknown-profile'],
    ['/api/packages/none', 'unknown-package'],
    ['/api/requests/none', 'unknown-request'],
    ['/api/requests/none/events', 'unknown-request'],
    ['/api/jobs/none', 'unknown-job'],
    ['/api/jobs/none/log?follow=1', 'unknown-job'],
    ['/api/nothing', 'route-not-found'],
    ['/nothing', 'route-not-found'],
  ])('%s is 404 %s', async (path, code) => {
    const response = await request(farm.url).get(path);
    expect(response.status).toBe(404);
    expect(response.headers['content-type']).toBe('application/problem+json');
    expect(problemSchema.parse(response.body)).toMatchObject({
      code,
      status: 404,
      requestId: response.headers['x-request-id'],
    });
  });

  it.each([
    '/api/profiles/web-zen4/packages?limit=0',
    '/api/profiles/web-zen4/packages?limit=100000',
    '/api/profiles/web-zen4/packages?offset=-1',
    '/api/profiles/web-zen4/packages?search=a&search=b',
    '/api/requests?limit=many',
    '/api/jobs/j-1/log?offset=x',
    '/api/jobs/j-1/log?attempt=0',
  ])('%s is refused', async (path) => {
    const response = await request(farm.url).get(path);
    expect([response.status, response.body.code]).toEqual([400, 'invalid-query']);
  });

  it('a path that is no UTF-8 is refused', async () => {
    const response = await request(farm.url).get('/api/packages/%ff');
    expect([response.status, response.body.code]).toEqual([400, 'invalid-path']);
  });
});
