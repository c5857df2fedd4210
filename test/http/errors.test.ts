import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { GPKG_REFUSALS } from '../../src/binpkg/gpkg/refusals.ts';
import { statusOf } from '../../src/http/error-status.ts';
import { SIGNING_ERROR_CODES } from '../../src/signing/errors.ts';
import { AppError } from '../../src/support/errors.ts';
import { poll } from '../support/poll.ts';
import { upload } from './api-fixture.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const ROOMS = ['access', 'builds', 'repository', 'binpkg', 'signing', 'gentoo', 'http', 'journal'];
const SRC = resolve(import.meta.dirname, '../../src');

let farm: TestServer;

beforeAll(async () => {
  farm = await startTestServer();
});

afterAll(async () => {
  await farm.close();
});

/** Work on folders of this machine; no request gets there. */
const OFFLINE = [join(SRC, 'binpkg', 'pkgdir'), join(SRC, 'repository', 'rebuild')];

function codesIn(room: string): string[] {
  return readdirSync(join(SRC, room), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .filter((entry) => !OFFLINE.includes(entry.parentPath))
    .flatMap((entry) => [
      ...readFileSync(join(entry.parentPath, entry.name), 'utf8').matchAll(
        /new AppError\(\s*'([a-z0-9-]+)'/g,
      ),
    ])
    .map((match) => match[1] ?? '');
}

/** Makes the next look at the profiles fail in this way. */
async function failing(error: unknown, path = '/api/requests'): Promise<request.Response> {
  const listRequests = farm.builds.listRequests.bind(farm.builds);
  farm.builds.listRequests = async () => {
    // oxlint-disable-next-line typescript/only-throw-error
    throw error;
  };
  try {
    return await request(farm.url)
      .get(path)
      .set('accept', path === '/' ? 'text/html' : '*/*');
  } finally {
    farm.builds.listRequests = listRequests;
  }
}

describe('every error code that a request can meet', () => {
  it.each(ROOMS)('has a status: those of %s', (room) => {
    const unknown = codesIn(room).filter((code) => statusOf(code) === undefined);
    expect(unknown).toEqual([]);
  });

  it('has a status: those that are listed apart', () => {
    const codes = [...Object.keys(GPKG_REFUSALS), ...SIGNING_ERROR_CODES];
    expect(codes.filter((code) => statusOf(code) === undefined)).toEqual([]);
    expect(codesIn('builds').length).toBeGreaterThan(10);
  });
});

describe('an error that nobody expects', () => {
  const LEAK = "ENOENT: no such file or directory, open '/srv/state/rookery.sqlite'";

  it.each([
    ['a system error', Object.assign(new Error(LEAK), { code: 'ENOENT', path: '/srv/state' })],
    ['an error of the program', new TypeError(LEAK)],
    [
      'an AppError without a status',
      new AppError('never-heard-of', LEAK, { details: { path: '/srv/state' } }),
    ],
    ['an AppError of the server', new AppError('process-failed', LEAK)],
    ['a text', LEAK],
    ['nothing', undefined],
  ])(
    '(%s) is a 500 that tells nothing, and is logged once with its request id',
    async (_name, error) => {
      farm.logLines.length = 0;
      const response = await failing(error);
      const lines = await poll('the line in the log', () => {
        const found = farm.logLines.filter((line) => Number(line['level']) >= 50);
        return found.length > 0 ? found : undefined;
      });

      expect([response.status, response.body.code]).toEqual([500, 'unexpected-error']);
      expect(response.headers['content-type']).toBe('application/problem+json');
      expect(response.text).not.toMatch(/srv|ENOENT|sqlite|never-heard-of/);
      expect(lines).toHaveLength(1);
      expect(lines[0]?.['requestId']).toBe(response.headers['x-request-id']);
      expect(response.body.requestId).toBe(response.headers['x-request-id']);
    },
  );

  it('is a page for those who read pages', async () => {
    const response = await failing(new Error(LEAK), '/');
    expect(response.status).toBe(500);
    expect(response.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(response.text).toContain(response.headers['x-request-id']);
    expect(response.text).not.toMatch(/srv|ENOENT|sqlite/);
  });
});

describe('an error that is expected', () => {
  it('says what is wrong in a sentence and as data, and is no matter for the log', async () => {
    farm.logLines.length = 0;
    const response = await failing(
      new AppError('unknown-profile', 'There is no profile x.', { details: { name: 'x' } }),
    );
    expect(response.body).toEqual({
      code: 'unknown-profile',
      title: 'There is no profile x.',
      status: 404,
      requestId: response.headers['x-request-id'],
      details: { name: 'x' },
    });
    expect(farm.logLines.filter((line) => Number(line['level']) >= 40)).toEqual([]);
  });

  it('is a friendly page for those who read pages', async () => {
    const response = await request(farm.url)
      .get('/profiles/nobody')
      .set('accept', 'text/html,*/*;q=0.8');
    expect(response.status).toBe(404);
    expect(response.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(response.text).toContain('There is no profile nobody.');
    expect(response.headers['content-security-policy']).toContain("default-src 'none'");
  });

  it('is data under /api/, whoever asks', async () => {
    const response = await request(farm.url).get('/api/profiles/nobody').set('accept', 'text/html');
    expect(response.headers['content-type']).toBe('application/problem+json');
  });
});

describe('the log', () => {
  it('has a line for every exchange: reads as details, changes for everybody', async () => {
    farm.logLines.length = 0;
    await request(farm.url).get('/binhost/none?token=secret');
    await request(farm.url).get('/healthz');
    await request(farm.url).post('/api/requests').send({});
    const lines = await poll('three lines in the log', () => {
      const found = farm.logLines.filter((line) => line['msg'] === 'request done');
      return found.length < 3 ? undefined : found;
    });

    expect(lines.map(({ level, method, path, status }) => [level, method, path, status])).toEqual([
      [20, 'GET', '/binhost/none', 404],
      [20, 'GET', '/healthz', 200],
      [30, 'POST', '/api/requests', 401],
    ]);
    expect(lines.every(({ requestId }) => String(requestId).startsWith('req-'))).toBe(true);
    expect(JSON.stringify(lines)).not.toContain('secret');
  });

  it('has 499 for an upload that is given up', async () => {
    farm.logLines.length = 0;
    const token = await farm.token('builder');
    const { sha512 } = upload('whole');
    const socket = connect(farm.port, '127.0.0.1');
    socket.write(
      `PUT /api/profiles/web-zen4/packages?sha512=${sha512} HTTP/1.1\r\nHost: farm\r\nAuthorization: Bearer ${token}\r\nContent-Length: 100\r\n\r\nwho`,
      () => {
        socket.destroy();
      },
    );
    const line = await poll('the line', () =>
      farm.logLines.find(({ msg }) => msg === 'request done'),
    );
    expect([line['method'], line['status'], line['abandoned']]).toEqual(['PUT', 499, true]);
  });
});
