import { mkdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { rawGet } from './test-server.ts';

/** A server under test, and the mirror root that it shows. */
export interface Served {
  readonly url: string;
  readonly mirrorRoot: string;
}

const MTIME = 1_767_225_600;
const MODIFIED = 'Thu, 01 Jan 2026 00:00:00 GMT';
const INDEX = 'VERSION: 0\nTIMESTAMP: 1767225600\n\n';
const LATER = 'VERSION: 0\nTIMESTAMP: 1767225606\n\n';
const PACKED = Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3]);
const FILE = '0123456789';
const HIDDEN = 'for nobody to see';
const PACKAGE = '/binhost/p/testing/dev-libs/libsigc++/libsigc++-2.12-1.gpkg.tar';
/** A second time the answer may come from elsewhere than the first time. */
const TWICE = [1, 2];

function put(root: string, path: string, content: string | Uint8Array, mtime = MTIME): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  utimesSync(file, mtime, mtime + 0.75);
}

/** The tree that `describeBinhost` reads. */
export function makeBinhost(mirrorRoot: string): void {
  const binhost = join(mirrorRoot, 'binhost/p');
  for (const [serial, text] of [INDEX, LATER].entries()) {
    const publication = `.publications/testing-${serial + 1}`;
    put(binhost, `${publication}/Packages`, text, MTIME + serial * 6);
    put(binhost, `${publication}/Packages.gz`, PACKED, MTIME + serial * 6);
  }
  put(binhost, 'packages/dev-libs/libsigc++/libsigc++-2.12-1.gpkg.tar', FILE);
  put(binhost, '.publications/.tmp-publication/Packages', 'half');
  symlinkSync('../../packages/dev-libs', join(binhost, '.publications/testing-1/dev-libs'));
  symlinkSync('../../packages/dev-libs', join(binhost, '.publications/testing-2/dev-libs'));
  symlinkSync('.publications/testing-1', join(binhost, 'testing'));
  put(mirrorRoot, 'keys/rookery.asc', 'a key');
  put(mirrorRoot, 'distfiles/layout.conf', '[structure]\n');
  put(mirrorRoot, 'incoming/p/secret.gpkg.tar', HIDDEN);
}

/** Points the channel at another publication, as a release does. */
export function switchTo({ mirrorRoot }: Served, serial: number): void {
  const link = join(mirrorRoot, 'binhost/p/testing');
  symlinkSync(`.publications/testing-${serial}`, `${link}.new`);
  renameSync(`${link}.new`, link);
}

/**
 * What clients of a binhost depend on, whoever serves it (portage/dbapi/bintree.py:_populate_remote_repo,
 * `_emerge/BinpkgFetcher.py`, wget).
 */
export function describeBinhost(served: () => Served): void {
  const get = async (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    await fetch(served().url + path, { headers });

  describe('a file of the binhost', () => {
    it.each(TWICE)('comes whole, with its length and time (%d)', async () => {
      const response = await get('/binhost/p/testing/Packages');
      expect([response.status, await response.text()]).toEqual([200, INDEX]);
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'content-length': String(INDEX.length),
        'last-modified': MODIFIED,
        'accept-ranges': 'bytes',
        'cache-control': 'no-cache',
      });
    });

    it.each(TWICE)('is never in a Content-Encoding (%d)', async () => {
      const encodings = { 'accept-encoding': 'bzip2, gzip, deflate' };
      const response = await get('/binhost/p/testing/Packages.gz', encodings);
      expect(Buffer.from(await response.arrayBuffer())).toEqual(PACKED);
      expect(response.headers.get('content-encoding')).toBeNull();
    });

    it.each([PACKAGE, PACKAGE.replaceAll('+', '%2B')])('is found as %s', async (path) => {
      const response = await get(path);
      expect([response.status, await response.text()]).toEqual([200, FILE]);
      expect(response.headers.get('cache-control')).toContain('immutable');
    });

    it.each([
      ['/binhost/p/.publications/testing-1/Packages', INDEX],
      ['/binhost/p/.publications/testing-2/Packages', LATER],
      ['/keys/rookery.asc', 'a key'],
      ['/distfiles/layout.conf', '[structure]\n'],
    ])('%s is there', async (path, content) => {
      expect(await (await get(path)).text()).toBe(content);
    });

    it('has the same length and time for HEAD', async () => {
      const response = await fetch(`${served().url}/binhost/p/testing/Packages`, {
        method: 'HEAD',
      });
      expect(await response.text()).toBe('');
      expect(response.headers.get('content-length')).toBe(String(INDEX.length));
      expect(response.headers.get('last-modified')).toBe(MODIFIED);
    });
  });

  describe('what is absent', () => {
    it.each([
      '/binhost/p/testing/Packages.bz2',
      '/binhost/p/unstable/Packages.gz',
      '/binhost/other/testing/Packages.gz',
      '/binhost/p/.publications/.tmp-publication/Packages',
      '/incoming/p/secret.gpkg.tar',
      '/binhost/p/testing/../../../incoming/p/secret.gpkg.tar',
    ])('%s is 404, the only status after which Portage asks for the other file', async (path) => {
      const { port } = new URL(served().url);
      expect((await rawGet(Number(port), path)).body).not.toContain(HIDDEN);
      expect((await get(path)).status).toBe(404);
    });
  });

  describe('a conditional request', () => {
    it.each([
      ['the second of the index', MODIFIED, 304],
      ['TIMESTAMP + 5 s, as Portage sends', 'Thu, 01 Jan 2026 00:00:05 GMT', 304],
      ['a time to come', 'Fri, 01 Jan 2038 00:00:00 GMT', 304],
      ['one second before', 'Wed, 31 Dec 2025 23:59:59 GMT', 200],
    ])('with %s', async (_name, since, status) => {
      for (const path of ['Packages', 'Packages.gz']) {
        const response = await get(`/binhost/p/testing/${path}`, { 'if-modified-since': since });
        const body = await response.arrayBuffer();
        expect([response.status, body.byteLength === 0]).toEqual([status, status === 304]);
        expect(response.headers.get('last-modified')).toBe(MODIFIED);
      }
    });

    it('sees a switch of the channel at once, either way', async () => {
      const since = { 'if-modified-since': 'Thu, 01 Jan 2026 00:00:05 GMT' };
      const path = '/binhost/p/testing/Packages';
      const seen: [number, string][] = [];
      for (const serial of [2, 1, 2, 1]) {
        switchTo(served(), serial);
        const response = await get(path, since);
        seen.push([response.status, await response.text()]);
      }
      const expected = [
        [200, LATER],
        [304, ''],
        [200, LATER],
        [304, ''],
      ];
      expect(seen).toEqual(expected);
    });
  });

  describe('a range', () => {
    it.each([
      ['bytes=4-', '456789', 'bytes 4-9/10'],
      ['bytes=0-3', '0123', 'bytes 0-3/10'],
    ])('%s goes on where a transfer broke off', async (range, text, contentRange) => {
      const response = await get(PACKAGE, { range });
      expect([response.status, await response.text()]).toEqual([206, text]);
      expect(response.headers.get('content-range')).toBe(contentRange);
    });

    it.each(TWICE)('of an index is that part of it (%d)', async () => {
      const response = await get('/binhost/p/testing/Packages', { range: 'bytes=9-' });
      expect([response.status, await response.text()]).toEqual([206, INDEX.slice(9)]);
    });

    it('of a file that is complete already is 416', async () => {
      const response = await get(PACKAGE, { range: 'bytes=10-' });
      await response.arrayBuffer();
      expect([response.status, response.headers.get('content-range')]).toEqual([416, 'bytes */10']);
    });
  });
}
