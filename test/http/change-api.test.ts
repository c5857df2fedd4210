import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { requestViewSchema } from '../../src/protocol/builds.ts';
import { publicationViewSchema } from '../../src/protocol/channels.ts';
import { packageViewSchema } from '../../src/protocol/packages.ts';
import { poll } from '../support/poll.ts';
import { bearer, fillFarm, upload } from './api-fixture.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let farm: TestServer;
let admin: string;
let builder: string;

beforeAll(async () => {
  farm = await startTestServer({ maxUploadBytes: 64 * 1024 });
  await fillFarm(farm);
  admin = await farm.token('admin');
  builder = await farm.token('builder');
});

afterAll(async () => {
  await farm.close();
});

async function change(path: string, body: object): Promise<request.Response> {
  return await request(farm.url)
    .post(`/api/profiles/web-skylake/channels/${path}`)
    .set(bearer(admin))
    .send(body);
}

describe('steering', () => {
  it('a request, a profile and an agent is for administrators, in their name', async () => {
    const post = async (path: string, body: object, token = admin) =>
      await request(farm.url).post(path).set(bearer(token)).send(body);
    const made = await post('/api/requests', {
      profile: 'web-zen4',
      atoms: ['dev-lang/php'],
      priority: 2,
    });
    expect(made.body).toMatchObject({ priority: 2, paused: null });
    const path = `/api/requests/${made.body.id}`;
    const paused = await post(`${path}/pause`, { reason: 'Later.' });
    expect(requestViewSchema.parse(paused.body).paused).toMatchObject({
      by: 'token:test-admin',
      reason: 'Later.',
    });
    expect((await post(`${path}/resume`, {})).body.paused).toBeNull();
    expect((await post(`${path}/priority`, { priority: -3 })).body.priority).toBe(-3);
    expect((await post(`${path}/priority`, { priority: 11 })).status).toBe(400);
    expect((await post(`${path}/pause`, {})).body.code).toBe('invalid-body');
    expect((await post(`${path}/pause`, { reason: 'x' }, builder)).status).toBe(403);

    expect((await post('/api/profiles/web-zen4/pause', { reason: 'Broken.' })).body).toMatchObject({
      profile: 'web-zen4',
      by: 'token:test-admin',
    });
    const pauses = await request(farm.url).get('/api/pauses');
    expect(pauses.body.pauses).toMatchObject([{ profile: 'web-zen4', reason: 'Broken.' }]);
    const page = await request(farm.url).get('/profiles/web-zen4');
    expect(page.text).toContain('Nothing is built for it: paused by test-admin');
    expect((await post('/api/profiles/web-zen4/resume', {})).status).toBe(204);
    expect((await post('/api/profiles/web-zen4/resume', {})).status).toBe(409);

    const { name } = (await request(farm.url).get('/api/agents')).body.agents[0];
    const drained = await post(`/api/agents/${name}/drain`, { reason: 'New disk.' });
    expect(drained.body).toMatchObject({ state: 'drained' });
    expect((await post(`/api/agents/${name}/resume`, {})).body.state).toBe('active');
    expect((await post('/api/agents/nobody/drain', { reason: 'x' })).status).toBe(404);
  });
});

describe('changes', () => {
  it('a request is made in the name of the token', async () => {
    const response = await request(farm.url)
      .post('/api/requests')
      .set(bearer(admin))
      .send({
        profile: 'web-zen4',
        atoms: ['dev-lang/php', '@web'],
        publish: 'testing',
        resolve: ['newuse'],
      });

    expect(response.status).toBe(201);
    expect(requestViewSchema.parse(response.body)).toMatchObject({
      atoms: ['dev-lang/php', '@web'],
      publish: 'testing',
      rebuild: false,
      resolve: ['newuse'],
      author: 'token:test-admin',
    });
    const cancelled = await request(farm.url)
      .post(`/api/requests/${response.body.id}/cancel`)
      .set(bearer(admin))
      .send({});
    const again = await request(farm.url)
      .post(`/api/requests/${response.body.id}/cancel`)
      .set(bearer(admin));
    expect([cancelled.status, cancelled.body.state, again.status, again.body.code]).toEqual([
      200,
      'cancelled',
      409,
      'request-finished',
    ]);
  });

  it('a part of a request is published, when that is asked for or once it has ended', async () => {
    const made = await request(farm.url)
      .post('/api/requests')
      .set(bearer(admin))
      .send({ profile: 'web-zen4', atoms: ['dev-lang/php'], publish: 'testing', partial: true });
    expect(requestViewSchema.parse(made.body)).toMatchObject({ partial: true, publish: 'testing' });
    const publish = async (id: string) =>
      await request(farm.url)
        .post(`/api/requests/${id}/publish`)
        .set(bearer(admin))
        .send({ partial: true, channel: 'testing' });
    const early = await publish(requestViewSchema.parse(made.body).id);
    expect([early.status, early.body.code]).toEqual([409, 'request-unfinished']);
    farm.builds.addRequest({ id: 'rq-failed', state: 'failed', finishedAt: 1 });
    const { status, body } = await publish('rq-failed');
    expect([status, body.state, body.partial, body.publish]).toEqual([
      200,
      'publishing',
      true,
      'testing',
    ]);
  });

  it.each([
    ['{}', 'The body lacks "profile": it has to be a text.'],
    ['[]', 'The body has to be an object.'],
    [
      '{"profile":"web-zen4","atoms":[""]}',
      '"atoms[0]" of the body is "": it has to have at least 1 character.',
    ],
    [
      '{"profile":"web-zen4","atoms":[]}',
      '"atoms" of the body is []: it has to have at least 1 entry.',
    ],
    ['{"profile":"web-zen4","atoms":"a/b"}', '"atoms" of the body is "a/b": it has to be a list.'],
    [
      '{"profile":"Web Zen","atoms":["a/b"]}',
      '"profile" of the body is "Web Zen": it has to be a name of at most 64 small letters, digits, dots, underscores and hyphens.',
    ],
    [
      '{"profile":"web-zen4","atoms":["a/b"],"rebuild":"yes"}',
      '"rebuild" of the body is "yes": it has to be true or false.',
    ],
    [
      '{"profile":"web-zen4","atoms":["a/b"],"publsh":"testing"}',
      'The body takes no "publsh". Did you mean "publish"?',
    ],
    [
      `{"profile":"web-zen4","atoms":[{"\\u001b[31m\\u202e${'x'.repeat(500)}":1}]}`,
      `"atoms[0]" of the body is {"\\u001b[31m\ufffd${'x'.repeat(67)}…: it has to be a text.`,
    ],
  ])('a body like %s is refused with a sentence', async (body, sentence) => {
    const response = await request(farm.url)
      .post('/api/requests')
      .set(bearer(admin))
      .set('content-type', 'application/json')
      .send(body);
    expect([response.status, response.body.title]).toEqual([400, sentence]);
    expect(response.body.details.faults[0].message).toBe(sentence);
  });

  it.each([
    ['limit=x', '"limit" of the query is "x": it has to be a number.'],
    ['limit=0', '"limit" of the query is "0": it has to be at least 1.'],
    ['limit=1001', '"limit" of the query is "1001": it has to be at most 1000.'],
    ['limit=1.5', '"limit" of the query is "1.5": it has to be a whole number.'],
  ])('a query like %s is refused with a sentence', async (query, sentence) => {
    const response = await request(farm.url).get(`/api/requests?${query}`);
    expect([response.status, response.body.title]).toEqual([400, sentence]);
  });

  it('no word of a schema or pattern reaches anybody', async () => {
    const calls = [
      request(farm.url).put('/api/profiles/web-zen4/packages?sha512=x').set(bearer(admin)),
      request(farm.url).put('/api/profiles/web-zen4/packages').set(bearer(admin)),
      request(farm.url).post('/api/agent/register').set(bearer(admin)).send({ name: '../x' }),
      request(farm.url).post('/api/tokens').set(bearer(admin)).send({ name: 'x', role: 'root' }),
      request(farm.url).get('/api/jobs/j-2/log?attempt=x&follow=maybe'),
      request(farm.url)
        .post('/api/profiles/web-zen4/channels/stable/rollback')
        .set(bearer(admin))
        .send({ serial: 'x' }),
    ];
    for (const { status, body } of await Promise.all(calls)) {
      expect(status).toBe(400);
      expect(JSON.stringify([body.title, body.details.faults])).not.toMatch(
        /expected|received|NaN|Invalid|Too (?:small|big)|match|another form|of another kind|\[0-9|\^/i,
      );
    }
  });

  it.each([
    ['no JSON', '{', 'application/json', 400, 'invalid-body'],
    ['a list', '[]', 'application/json', 400, 'invalid-body'],
    ['nothing', '', 'application/json', 400, 'invalid-body'],
    [
      'an unknown key',
      '{"profile":"web-zen4","atoms":["a/b"],"forced":true}',
      'application/json',
      400,
      'invalid-body',
    ],
    ['no atoms', '{"profile":"web-zen4","atoms":[]}', 'application/json', 400, 'invalid-body'],
    [
      'a wrong atom',
      '{"profile":"web-zen4","atoms":["a b"]}',
      'application/json',
      400,
      'invalid-atom',
    ],
    [
      'a form',
      'profile=web-zen4',
      'application/x-www-form-urlencoded',
      415,
      'unsupported-media-type',
    ],
    [
      'too much',
      `{"profile":"${'x'.repeat(1024 * 1024)}"}`,
      'application/json',
      413,
      'body-too-large',
    ],
  ])('a body with %s is refused', async (...[, body, type, status, code]) => {
    const response = await request(farm.url)
      .post('/api/requests')
      .set(bearer(admin))
      .set('content-type', type)
      .send(body);
    expect([response.status, response.body.code]).toEqual([status, code]);
  });

  it('a compressed body is refused', async () => {
    const response = await request(farm.url)
      .post('/api/requests')
      .set(bearer(admin))
      .set('content-type', 'application/json')
      .set('content-encoding', 'gzip')
      .send('{}');
    expect([response.status, response.body.code]).toEqual([415, 'unsupported-media-type']);
  });

  it('publish, promote and roll back', async () => {
    const nothing = await change('stable/promote', {});
    const first = await change('testing/publish', { reason: 'first' });
    const second = await change('testing/publish', {
      packageIds: ['pkg-web-skylake-libxml2-2.13.4-1'],
    });
    const promoted = await change('stable/promote', {
      from: 'testing',
      serial: 1,
      reason: 'proven',
    });
    const late = await Promise.all(
      ['stable/publish', 'stable/promote', 'testing/rollback'].map(
        async (deed) => await change(deed, { expectedSerial: 0 }),
      ),
    );
    const back = await change('testing/rollback', { reason: 'broken', expectedSerial: 2 });
    const unknown = await change('nightly/publish', {});
    const strange = await change('testing/rollback', { serial: 0 });

    expect(late.map(({ status, body }) => [status, body.code, body.details])).toEqual(
      Array.from({ length: 3 }, () => [
        409,
        'channel-moved',
        expect.objectContaining({ expected: 0, author: 'token:test-admin' }),
      ]),
    );
    expect([nothing, unknown, strange].map(({ status, body }) => [status, body.code])).toEqual([
      [409, 'nothing-to-promote'],
      [404, 'unknown-channel'],
      [400, 'invalid-body'],
    ]);
    expect(
      [first, second, promoted, back].map(({ status, body }) => [
        status,
        publicationViewSchema.parse(body).kind,
        body.serial,
      ]),
    ).toEqual([
      [201, 'publish', 1],
      [201, 'publish', 2],
      [201, 'promote', 1],
      [201, 'rollback', 3],
    ]);
    expect(promoted.body).toMatchObject({
      author: 'token:test-admin',
      reason: 'proven',
      snapshotId: first.body.snapshotId,
    });
  });

  it('another method on a known path is 405 and says which there are', async () => {
    const response = await request(farm.url).delete('/api/requests').set(bearer(admin));
    expect([response.status, response.headers['allow'], response.body.code]).toEqual([
      405,
      'POST, GET, HEAD',
      'method-not-allowed',
    ]);
  });
});

describe('a pushed package', () => {
  const path = '/api/profiles/web-zen4/packages';

  it('is 201 the first time and 200 when it comes again', async () => {
    const { bytes, sha512 } = upload('package app-misc/pushed-1.0');
    const push = async () =>
      await request(farm.url).put(path).query({ sha512 }).set(bearer(builder)).send(bytes);
    const [first, second] = [await push(), await push()];

    expect([first.status, second.status]).toEqual([201, 200]);
    expect(packageViewSchema.parse(first.body)).toEqual(packageViewSchema.parse(second.body));
    const record = await farm.repository.findPackage(first.body.id);
    expect(record?.origin).toBe('push:test-builder');
  });

  it.each([
    ['another digest', 'package a/b-1', 'f'.repeat(128), 422, 'upload-digest-mismatch'],
    ['no package', 'rubbish', undefined, 422, 'gpkg-invalid'],
    ['no digest', 'package a/b-1', '', 400, 'invalid-query'],
    ['no bytes', '', undefined, 400, 'upload-empty'],
    ['too many bytes', 'x'.repeat(64 * 1024 + 1), undefined, 413, 'upload-too-large'],
  ])('with %s is refused and leaves nothing', async (...[, content, digest, status, code]) => {
    const { bytes, sha512 } = upload(content);
    const response = await request(farm.url)
      .put(path)
      .query({ sha512: digest ?? sha512 })
      .set(bearer(builder))
      .set('content-length', String(bytes.length))
      .send(bytes);
    expect([response.status, response.body.code]).toEqual([status, code]);
    expect(readdirSync(farm.repository.uploads)).toEqual([]);
  });

  it('that breaks off is no package, and the server goes on', async () => {
    const { sha512 } = upload('never');
    const socket = connect(farm.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      `PUT ${path}?sha512=${sha512} HTTP/1.1\r\nHost: farm\r\nAuthorization: Bearer ${builder}\r\nContent-Length: 5000\r\n\r\npackage`,
    );
    const line = await poll('the upload to begin', async () => {
      const open = await new Promise<number>((resolve) =>
        farm.server.getConnections((_error, count) => resolve(count)),
      );
      return open > 0 || undefined;
    });
    socket.destroy();
    const logged = await poll('the end of the upload', () =>
      farm.logLines.find((entry) => entry['method'] === 'PUT' && entry['abandoned'] === true),
    );

    expect(line).toBe(true);
    expect(logged['level']).toBe(30);
    expect(readdirSync(farm.repository.uploads)).toEqual([]);
    expect(farm.logLines.filter((entry) => Number(entry['level']) >= 50)).toEqual([]);
    expect((await request(farm.url).get('/healthz')).status).toBe(200);
  });

  it('that is unwanted gets its refusal even while it is still sent', async () => {
    const bytes = Buffer.alloc(8 * 1024 * 1024);
    const response = await request(farm.url)
      .put(path)
      .query({ sha512: 'f'.repeat(128) })
      .send(bytes);
    expect([response.status, response.body.code]).toEqual([401, 'authentication-required']);
  });
});
