import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { newTokenSchema, tokenListSchema } from '../../src/protocol/access.ts';
import { bearer, fillFarm } from './api-fixture.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let farm: TestServer;
let admin: string;
let builder: string;
let node: string;

beforeAll(async () => {
  farm = await startTestServer();
  await fillFarm(farm);
  admin = await farm.token('admin');
  builder = await farm.token('builder');
  node = await farm.token('node');
});

afterAll(async () => {
  await farm.close();
});

async function ask(
  method: 'get' | 'post' | 'put' | 'delete',
  path: string,
  token?: string,
): Promise<request.Response> {
  const call = request(farm.url)[method](path);
  return await call.set(token === undefined ? {} : bearer(token));
}

describe('tokens', () => {
  const guarded: readonly (readonly [
    'get' | 'post' | 'put' | 'delete',
    string,
    'admin' | 'builder',
  ])[] = [
    ['post', '/api/requests', 'admin'],
    ['post', '/api/requests/rq-a/cancel', 'admin'],
    ['post', '/api/requests/rq-a/publish', 'admin'],
    ['post', '/api/profiles/web-zen4/channels/testing/publish', 'admin'],
    ['post', '/api/profiles/web-zen4/channels/stable/promote', 'admin'],
    ['post', '/api/profiles/web-zen4/channels/testing/rollback', 'admin'],
    ['get', '/api/tokens', 'admin'],
    ['post', '/api/tokens', 'admin'],
    ['delete', '/api/tokens/x', 'admin'],
    ['post', '/api/tokens/x/rotate', 'admin'],
    ['put', '/api/profiles/web-zen4/packages', 'builder'],
    ['post', '/api/agent/register', 'builder'],
    ['post', '/api/agent/lease', 'builder'],
    ['post', '/api/agent/jobs/j-2/heartbeat', 'builder'],
    ['post', '/api/agent/jobs/j-2/log', 'builder'],
    ['get', '/api/agent/jobs/j-2/source', 'builder'],
    ['post', '/api/agent/jobs/j-2/plan', 'builder'],
    ['put', '/api/agent/jobs/j-2/package', 'builder'],
    ['post', '/api/agent/jobs/j-2/result', 'builder'],
  ];

  it.each(guarded)('guard %s %s', async (method, path, role) => {
    const [without, wrong, low] = [
      await ask(method, path),
      await ask(method, path, 'rky_wrong'),
      await ask(method, path, role === 'admin' ? builder : node),
    ];

    expect([without, wrong, low].map(({ status, body }) => [status, body.code])).toEqual([
      [401, 'authentication-required'],
      [401, 'token-invalid'],
      [403, 'role-too-low'],
    ]);
    expect(without.headers['www-authenticate']).toBe('Bearer realm="rookery"');
    expect(wrong.headers['www-authenticate']).toContain('invalid_token');
  });

  it('of the role admin open what builders may do', async () => {
    const response = await request(farm.url)
      .post('/api/agent/lease')
      .set(bearer(admin))
      .send({ agent: 'builder-1', waitMs: 0 });
    expect(response.status).toBe(204);
  });

  it('are made, listed without their secret, and revoked', async () => {
    const made = await request(farm.url)
      .post('/api/tokens')
      .set(bearer(admin))
      .send({ name: 'ci', role: 'builder' });
    const { token } = newTokenSchema.parse(made.body);
    const again = await request(farm.url)
      .post('/api/tokens')
      .set(bearer(admin))
      .send({ name: 'ci', role: 'builder' });
    const list = await request(farm.url).get('/api/tokens').set(bearer(admin));
    const works = await request(farm.url)
      .post('/api/agent/lease')
      .set(bearer(token))
      .send({ agent: 'builder-1', waitMs: 0 });
    const revoked = await request(farm.url).delete('/api/tokens/ci').set(bearer(admin));
    const refused = await request(farm.url)
      .post('/api/agent/lease')
      .set(bearer(token))
      .send({ agent: 'builder-1', waitMs: 0 });

    expect([made.status, again.status, works.status, revoked.status, refused.status]).toEqual([
      201, 409, 204, 204, 401,
    ]);
    expect(tokenListSchema.parse(list.body).tokens.map(({ name }) => name)).toContain('ci');
    expect(JSON.stringify(list.body)).not.toContain(token);
    expect((await farm.journal.latest(5)).map(({ actor }) => actor)).toContain('token:test-admin');
  });

  it('are rotated: the old secret opens nothing any more', async () => {
    const made = await request(farm.url)
      .post('/api/tokens')
      .set(bearer(admin))
      .send({ name: 'turning', role: 'admin' });
    const old = newTokenSchema.parse(made.body).token;
    const rotated = await request(farm.url).post('/api/tokens/turning/rotate').set(bearer(old));
    const fresh = newTokenSchema.parse(rotated.body);
    const unknown = await request(farm.url).post('/api/tokens/none/rotate').set(bearer(admin));

    expect([rotated.status, fresh.name, fresh.role]).toEqual([200, 'turning', 'admin']);
    expect((await ask('get', '/api/tokens', old)).status).toBe(401);
    expect((await ask('get', '/api/tokens', fresh.token)).status).toBe(200);
    expect([unknown.status, unknown.body.code]).toEqual([404, 'unknown-token']);
  });

  it.each(['Basic dGVzdDp0ZXN0', 'Bearer', 'Bearer a b', 'bearer\trky_x'])(
    'are not read from "%s"',
    async (authorization) => {
      const response = await request(farm.url).get('/api/tokens').set({ authorization });
      expect([response.status, response.body.code]).toEqual([401, 'authentication-required']);
    },
  );
});
