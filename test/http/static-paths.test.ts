import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { rawExchange, rawGet, startTestServer, type TestServer } from './test-server.ts';

const SECRET = 'the secret of this machine';

let farm: TestServer;
let outside: string;

function put(path: string, content: string, root = farm.mirrorRoot): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

beforeAll(async () => {
  farm = await startTestServer();
  outside = mkdtempSync(join(tmpdir(), 'rookery-outside-'));
  put('secret', SECRET, outside);
  put('rookery.sqlite', SECRET, dirname(farm.staging));
  put('incoming/p/secret', SECRET);
  put('secret', SECRET);
  put('binhost/p/packages/dev-libs/a++/a++-1-1.gpkg.tar', 'plus');
  put('binhost/p/packages/dev-libs/a b/a%62.txt', 'odd');
  put('binhost/p/.Packages.tmp-1', SECRET);
  put('repos/gentoo/.git/config', SECRET);
  put('job-1/Packages', 'staged', farm.staging);
  const link = (target: string, path: string): void => {
    symlinkSync(target, join(farm.mirrorRoot, path));
  };
  link(outside, 'binhost/p/out');
  link(join(outside, 'secret'), 'binhost/p/out-file');
  link(join(dirname(farm.staging), 'rookery.sqlite'), 'binhost/p/database');
  link('../../../../../../../../../../etc/passwd', 'binhost/p/passwd');
  link('loop', 'binhost/p/loop');
  link('packages', 'binhost/p/inside');
  link(join(farm.staging, 'job-1'), 'binhost/p/staged');
  symlinkSync(join(farm.mirrorRoot, 'binhost/p/packages'), join(farm.staging, 'job-1/packages'));
  const fifo = join(farm.mirrorRoot, 'binhost/p/fifo');
  await runChecked(['mkfifo', fifo], { env: toolEnvironment() });
});

afterAll(async () => {
  await farm.close();
  rmSync(outside, { recursive: true, force: true });
});

describe('a path', () => {
  it.each([
    ['a raw +', '/binhost/p/packages/dev-libs/a++/a++-1-1.gpkg.tar', 'plus'],
    ['an encoded +', '/binhost/p/packages/dev-libs/a%2B%2b/a%2B+-1-1.gpkg.tar', 'plus'],
    ['a query', '/binhost/p/packages/dev-libs/a++/a++-1-1.gpkg.tar?x=../../../secret', 'plus'],
    ['an encoded first name', '/%62inhost/p/packages/dev-libs/a++/a++-1-1.gpkg.tar', 'plus'],
    [
      'an encoded space, and a name that looks encoded',
      '/binhost/p/packages/dev-libs/a%20b/a%2562.txt',
      'odd',
    ],
    ['doubled slashes', '//binhost//p/packages/dev-libs/a++//a++-1-1.gpkg.tar', 'plus'],
    [
      'the absolute form',
      'http://elsewhere.example/binhost/p/packages/dev-libs/a++/a++-1-1.gpkg.tar',
      'plus',
    ],
    ['a link within the root', '/binhost/p/inside/dev-libs/a++/a++-1-1.gpkg.tar', 'plus'],
    ['a link from one root into the other', '/binhost/p/staged/Packages', 'staged'],
    [
      'a link from staging into the mirror root',
      '/staging/job-1/packages/dev-libs/a++/a++-1-1.gpkg.tar',
      'plus',
    ],
  ])('with %s finds its file', async (_name, target, content) => {
    const answer = await rawGet(farm.port, target);
    expect([answer.status, answer.body]).toEqual([200, content]);
  });

  it.each([
    ['..', '/binhost/../secret', 400],
    ['.. to the state folder', '/staging/../rookery.sqlite', 400],
    ['.. at the end', '/binhost/p/..', 400],
    ['an encoded ..', '/binhost/%2e%2e/secret', 400],
    ['a half encoded ..', '/binhost/.%2E/secret', 400],
    ['a doubly encoded ..', '/binhost/%252e%252e/secret', 404],
    ['.. by way of an encoded slash', '/binhost/p%2f..%2f..%2fsecret', 400],
    ['an encoded slash', '/binhost/p%2Fpackages', 400],
    ['a doubly encoded slash', '/binhost/..%252fsecret', 404],
    ['a backslash', '/binhost/..\\..\\secret', 400],
    ['an encoded backslash', '/binhost/..%5c..%5csecret', 400],
    ['an encoded NUL', '/binhost/p/out-file%00.gz', 400],
    ['an encoded line end', '/binhost/p/a%0d%0aSet-Cookie:%20x', 400],
    ['a dot', '/binhost/./p', 400],
    ['half an escape', '/binhost/p/%2', 400],
    ['no escape', '/binhost/p/%zz', 400],
    ['overlong UTF-8', '/binhost/%c0%ae%c0%ae/secret', 400],
    ['bytes that are not UTF-8', '/binhost/%ff%fe', 400],
    ['an absolute path', '/binhost//etc/passwd', 404],
    ['a drive', '/binhost/C:/secret', 404],
    ['a home', '/binhost/~/secret', 404],
    ['a link to a folder outside', '/binhost/p/out/secret', 404],
    ['a link to a file outside', '/binhost/p/out-file', 404],
    ['a link to the database', '/binhost/p/database', 404],
    ['a link that climbs', '/binhost/p/passwd', 404],
    ['a link to itself', '/binhost/p/loop', 404],
    ['a pipe', '/binhost/p/fifo', 404],
    ['a working file', '/binhost/p/.Packages.tmp-1', 404],
    ['a hidden folder', '/repos/gentoo/.git/config', 404],
    ['a folder that is not served', '/incoming/p/secret', 404],
    ['the root', '/secret', 404],
    ['another name that begins alike', '/binhosts/../secret', 404],
    ['.. before a served name', '/x/../binhost/../secret', 404],
  ])('with %s leads nowhere', async (_name, target, status) => {
    const answer = await rawGet(farm.port, target);

    expect(answer.status).toBe(status);
    expect(answer.body).not.toContain(SECRET);
    expect(answer.body).not.toContain('root:');
    expect(answer.body).not.toContain(farm.mirrorRoot);
    expect(answer.head).not.toMatch(/^set-cookie/im);
  });

  it('with a raw NUL or a bare line end is no HTTP at all', async () => {
    for (const byte of ['\0', '\x7f\n']) {
      const answer = await rawExchange(
        farm.port,
        `GET /binhost/p/${byte}x HTTP/1.1\r\nHost: farm\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 400/);
      expect(answer).not.toContain(SECRET);
    }
  });

  it.each(['*', 'binhost/p', 'ftp://farm/binhost/p'])('that is %s is refused', async (target) => {
    const answer = await rawGet(farm.port, target);
    expect([400, 404]).toContain(answer.status);
  });

  it('leaves the connection usable for the next request', async () => {
    const first = 'GET /binhost/../secret HTTP/1.1\r\nHost: farm\r\n\r\n';
    const second =
      'GET /staging/job-1/Packages HTTP/1.1\r\nHost: farm\r\nConnection: close\r\n\r\n';
    const answer = await rawExchange(farm.port, first + second);

    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400', 'HTTP/1.1 200']);
    expect(answer.endsWith('staged')).toBe(true);
  });
});
