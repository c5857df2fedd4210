import { mkdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestServer, type TestServer } from './test-server.ts';

const MTIME = 1_767_225_600;
const MODIFIED = 'Thu, 01 Jan 2026 00:00:00 GMT';
const PACKAGES = 'VERSION: 0\nTIMESTAMP: 1767225600\n\n';
const FILE = '0123456789';

let farm: TestServer;

function put(path: string, content: string | Uint8Array, root = farm.mirrorRoot): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  utimesSync(file, MTIME, MTIME + 0.75);
}

async function get(path: string, init: RequestInit = {}): Promise<Response> {
  return await fetch(`${farm.url}${path}`, { redirect: 'manual', ...init });
}

/** The headers that do not differ from one request to the next. */
function comparable(response: Response): Record<string, string> {
  const headers = new Headers(response.headers);
  for (const name of ['date', 'x-request-id', 'connection', 'keep-alive']) {
    headers.delete(name);
  }
  return Object.fromEntries(headers);
}

beforeAll(async () => {
  farm = await startTestServer();
  put('binhost/p/.publications/testing-1/Packages', PACKAGES);
  put('binhost/p/.publications/testing-1/Packages.gz', Buffer.from([0x1f, 0x8b, 8, 0]));
  put('binhost/p/packages/dev-libs/libsigc++/libsigc++-2.12-1.gpkg.tar', FILE);
  symlinkSync(
    '../../packages/dev-libs',
    join(farm.mirrorRoot, 'binhost/p/.publications/testing-1/dev-libs'),
  );
  symlinkSync('.publications/testing-1', join(farm.mirrorRoot, 'binhost/p/testing'));
  put('keys/rookery.asc', 'a key');
  put('distfiles/layout.conf', '[structure]\n');
  put('distfiles/empty', '');
  put('repos/gentoo/app-misc/hello/hello-1.0.ebuild', 'EAPI=8\n');
  put('repos/gentoo/metadata.xml', '<a/>');
  put('job-1/Packages', PACKAGES, farm.staging);
});

afterAll(async () => {
  await farm.close();
});

describe('a served file', () => {
  it('comes with everything that Portage and wget look at', async () => {
    const response = await get('/binhost/p/testing/Packages');
    const headers = Object.fromEntries(response.headers);

    expect(response.status).toBe(200);
    expect(await response.text()).toBe(PACKAGES);
    expect(headers).toMatchObject({
      'content-length': String(PACKAGES.length),
      'content-type': 'text/plain; charset=utf-8',
      'last-modified': MODIFIED,
      'accept-ranges': 'bytes',
      'cache-control': 'no-cache',
    });
    expect(headers['etag']).toMatch(/^"[0-9a-f-]+"$/);
    expect(headers['x-request-id']).toMatch(/^req-/);
  });

  it.each([
    ['/binhost/p/testing/Packages.gz', 'application/gzip'],
    [
      '/binhost/p/testing/dev-libs/libsigc++/libsigc++-2.12-1.gpkg.tar',
      'application/vnd.gentoo.gpkg',
    ],
    ['/keys/rookery.asc', 'application/pgp-keys'],
    ['/distfiles/layout.conf', 'text/plain; charset=utf-8'],
    ['/distfiles/empty', 'application/octet-stream'],
    ['/repos/gentoo/app-misc/hello/hello-1.0.ebuild', 'text/plain; charset=utf-8'],
    ['/repos/gentoo/metadata.xml', 'text/xml; charset=utf-8'],
    ['/staging/job-1/Packages', 'text/plain; charset=utf-8'],
  ])('%s is %s, and never in a Content-Encoding', async (path, type) => {
    const response = await get(path, { headers: { 'accept-encoding': 'gzip, deflate, br' } });
    await response.arrayBuffer();

    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(type);
    expect(response.headers.get('content-encoding')).toBeNull();
  });

  it('may be kept for long only where its path never changes its content', async () => {
    const response = await get('/binhost/p/packages/dev-libs/libsigc++/libsigc++-2.12-1.gpkg.tar');
    await response.arrayBuffer();
    expect(response.headers.get('cache-control')).toContain('immutable');
  });

  it('has the same headers for HEAD, and no body', async () => {
    const [head, full] = [
      await get('/binhost/p/testing/Packages', { method: 'HEAD' }),
      await get('/binhost/p/testing/Packages'),
    ];
    await full.arrayBuffer();
    expect(await head.text()).toBe('');
    expect(comparable(head)).toEqual(comparable(full));
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('is not changed by %s', async (method) => {
    const response = await get('/binhost/p/testing/Packages', { method });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
    expect(await response.json()).toMatchObject({ code: 'method-not-allowed', status: 405 });
  });
});

describe('what is no file', () => {
  it.each([
    '/binhost/p/testing/Packages.bz2',
    '/binhost/p/unstable/Packages.gz',
    '/binhost/p/testing/Packages/',
    '/binhost/p/testing/Packages/more',
    '/binhost/p/testing/dev-libs/',
    '/binhost/p/packages',
    '/binhost/p/.publications/testing-1/',
    '/binhost/',
    '/binhost',
    '/keys/',
    `/distfiles/${'x'.repeat(300)}`,
  ])('%s is 404', async (path) => {
    const response = await get(path);
    expect(response.status).toBe(404);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(response.headers.get('last-modified')).toBeNull();
    expect(await response.json()).toMatchObject({ code: 'file-not-found', status: 404 });
  });

  it.each(['/binhost/p/testing', '/binhost/p/testing/'])(
    '%s leads to the page of the channel',
    async (path) => {
      const response = await get(path);
      expect([response.status, response.headers.get('location')]).toEqual([
        302,
        '/profiles/p/testing',
      ]);
    },
  );
});

describe('a conditional request', () => {
  const path = '/binhost/p/testing/Packages.gz';
  const etag = async (): Promise<string> => {
    const response = await get(path, { method: 'HEAD' });
    return response.headers.get('etag') ?? '';
  };

  it.each([
    ['the same second', MODIFIED, 304],
    ['TIMESTAMP + 5 s, as Portage sends', 'Thu, 01 Jan 2026 00:00:05 GMT', 304],
    ['a later year', 'Fri, 01 Jan 2038 00:00:00 GMT', 304],
    ['one second before', 'Wed, 31 Dec 2025 23:59:59 GMT', 200],
    ['the form of RFC 850', 'Thursday, 01-Jan-26 00:00:05 GMT', 304],
    ['the form of asctime', 'Thu Jan  1 00:00:05 2026', 304],
    ['an older asctime', 'Wed Dec 31 23:59:59 2025', 200],
    ['a number', '1767225605', 200],
    ['nonsense', 'yesterday', 200],
    ['another zone', 'Thu, 01 Jan 2026 00:00:05 CET', 200],
    ['nothing', '', 200],
  ])('If-Modified-Since with %s', async (_name, date, status) => {
    const response = await get(path, { headers: { 'if-modified-since': date } });
    const body = await response.arrayBuffer();

    expect(response.status).toBe(status);
    expect(body.byteLength).toBe(status === 304 ? 0 : 4);
    expect(response.headers.get('last-modified')).toBe(MODIFIED);
    expect(response.headers.get('etag')).not.toBeNull();
  });

  it.each([
    ['its tag', (tag: string) => tag, 304],
    ['its tag as a weak one', (tag: string) => `W/${tag}`, 304],
    ['its tag in a list', (tag: string) => `"other", ${tag}`, 304],
    ['anything', () => '*', 304],
    ['another tag', () => '"other"', 200],
    ['its tag without quotes', (tag: string) => tag.replaceAll('"', ''), 200],
  ])('If-None-Match with %s', async (_name, condition, status) => {
    const response = await get(path, { headers: { 'if-none-match': condition(await etag()) } });
    await response.arrayBuffer();
    expect(response.status).toBe(status);
  });

  it('goes by the tag where both are given', async () => {
    const headers = { 'if-none-match': '"other"', 'if-modified-since': MODIFIED };
    const response = await get(path, { headers });
    await response.arrayBuffer();
    expect(response.status).toBe(200);
  });

  it.each([
    ['if-match', '"other"', 412],
    ['if-match', '*', 200],
    ['if-unmodified-since', 'Wed, 31 Dec 2025 23:59:59 GMT', 412],
    ['if-unmodified-since', MODIFIED, 200],
  ])('%s: %s is answered %d', async (name, value, status) => {
    const response = await get(path, { headers: { [name]: value } });
    await response.arrayBuffer();
    expect(response.status).toBe(status);
  });

  it('sees that a file was replaced by one of the same size and time', async () => {
    put('distfiles/replaced', 'one');
    const before = await get('/distfiles/replaced');
    const tag = before.headers.get('etag') ?? '';
    put('distfiles/replacement', 'two');
    renameSync(
      join(farm.mirrorRoot, 'distfiles/replacement'),
      join(farm.mirrorRoot, 'distfiles/replaced'),
    );
    const after = await get('/distfiles/replaced', { headers: { 'if-none-match': tag } });
    expect([await before.text(), after.status, await after.text()]).toEqual(['one', 200, 'two']);
  });
});

describe('a range', () => {
  const path = '/binhost/p/testing/dev-libs/libsigc++/libsigc++-2.12-1.gpkg.tar';

  it.each([
    ['bytes=0-3', '0123', 'bytes 0-3/10'],
    ['bytes=4-', '456789', 'bytes 4-9/10'],
    ['bytes=9-9', '9', 'bytes 9-9/10'],
    ['bytes=8-99', '89', 'bytes 8-9/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=-99', FILE, 'bytes 0-9/10'],
    ['Bytes=0-0', '0', 'bytes 0-0/10'],
    ['bytes=0-99999999999999999999', FILE, 'bytes 0-9/10'],
  ])('%s is sent as 206', async (range, text, contentRange) => {
    const response = await get(path, { headers: { range } });

    expect(await response.text()).toBe(text);
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe(contentRange);
    expect(response.headers.get('content-length')).toBe(String(text.length));
  });

  it.each(['bytes=10-', 'bytes=10-20', 'bytes=-0', 'bytes=99999999999999999999-'])(
    '%s is 416',
    async (range) => {
      const response = await get(path, { headers: { range } });
      expect(response.status).toBe(416);
      expect(response.headers.get('content-range')).toBe('bytes */10');
      expect(await response.json()).toMatchObject({ code: 'range-not-satisfiable' });
    },
  );

  it.each(['bytes=0-1,4-5', 'bytes=5-2', 'lines=1-2', 'bytes=', 'bytes=-', 'bytes=a-b', '0-3'])(
    '%s means the whole file',
    async (range) => {
      const response = await get(path, { headers: { range } });
      expect([response.status, await response.text()]).toEqual([200, FILE]);
    },
  );

  it('of an empty file is the whole of it, or nothing', async () => {
    const statuses = ['bytes=0-', 'bytes=-5'].map(async (range) => {
      const response = await get('/distfiles/empty', { headers: { range } });
      await response.arrayBuffer();
      return response.status;
    });
    expect(await Promise.all(statuses)).toEqual([416, 200]);
  });

  it('is not looked at in a HEAD', async () => {
    const response = await get(path, { method: 'HEAD', headers: { range: 'bytes=0-3' } });
    expect([response.status, response.headers.get('content-length')]).toEqual([200, '10']);
  });

  it.each([
    ['its tag', undefined, 206],
    ['its date', MODIFIED, 206],
    ['an older date', 'Wed, 31 Dec 2025 23:59:59 GMT', 200],
    ['a later date', 'Thu, 01 Jan 2026 00:00:01 GMT', 200],
    ['another tag', '"other"', 200],
    ['nonsense', 'once', 200],
  ])('with If-Range and %s', async (_name, condition, status) => {
    const head = await get(path, { method: 'HEAD' });
    const value = condition ?? head.headers.get('etag') ?? '';
    const response = await get(path, { headers: { range: 'bytes=0-3', 'if-range': value } });
    await response.arrayBuffer();
    expect(response.status).toBe(status);
  });

  it('with If-Range does not trust a weak tag', async () => {
    const head = await get(path, { method: 'HEAD' });
    const weak = `W/${head.headers.get('etag')}`;
    const response = await get(path, { headers: { range: 'bytes=0-3', 'if-range': weak } });
    await response.arrayBuffer();
    expect(response.status).toBe(200);
  });

  it('goes through large files without a gap', async () => {
    const bytes = Buffer.alloc(3_000_000);
    bytes.forEach((_, index) => {
      bytes[index] = (index * 31) % 251;
    });
    put('distfiles/large.tar', bytes);
    const whole = Buffer.from(await (await get('/distfiles/large.tar')).arrayBuffer());
    const part = await get('/distfiles/large.tar', { headers: { range: 'bytes=262143-2621441' } });

    expect(whole.equals(bytes)).toBe(true);
    expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(262_143, 2_621_442))).toBe(
      true,
    );
  });
});
