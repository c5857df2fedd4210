import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { html } from '../../src/http/web/html.ts';
import { depths } from '../../src/http/web/job-graph.ts';
import { age, bytes, count, duration } from '../../src/http/web/units.ts';
import { UNSAID_ABILITIES } from '../support/unsaid-abilities.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const EVIL = `"><script>alert(1)</script><img src=x onerror='alert(2)'>`;

let farm: TestServer;

beforeAll(async () => {
  farm = await startTestServer();
  const record = farm.repository.add({
    cpv: 'dev-lang/php-8.4.1',
    slot: EVIL,
    path: 'dev-lang/php/php-8.4.1-1.gpkg.tar',
    origin: `push:${EVIL}`,
    metadata: {
      DESCRIPTION: EVIL,
      HOMEPAGE: EVIL,
      LICENSE: EVIL,
      USE: 'a',
      IUSE: `a ${EVIL}`,
      RDEPEND: EVIL,
      ROOKERY_PROVENANCE: JSON.stringify({ [EVIL]: EVIL }),
    },
  });
  await farm.repository.publish({
    profile: 'web-zen4',
    channel: 'testing',
    author: EVIL,
    reason: EVIL,
  });
  farm.builds.addRequest({ id: 'rq-1', atoms: [EVIL], reason: EVIL, author: EVIL });
  farm.builds.addJob({
    id: 'j-1',
    requestId: 'rq-1',
    name: EVIL,
    reason: EVIL,
    agent: EVIL,
    state: 'leased',
    attempt: 1,
  });
  farm.builds.addJob({ id: 'j-2', requestId: 'rq-1', name: EVIL, needs: ['j-1'] });
  farm.builds.writeLog('j-1', 1, 0, Buffer.from(`${EVIL}\n`));
  farm.builds.built.push({ requestId: 'rq-1', package: record, how: 'built', leftOut: null });
  await farm.builds.registerAgent({
    name: EVIL,
    chost: EVIL,
    cpuFlags: [EVIL],
    cores: 1,
    memoryBytes: 1,
    portageVersion: EVIL,
    executors: ['portage'],
    ...UNSAID_ABILITIES,
  });
});

afterAll(async () => {
  await farm.close();
});

async function page(path: string): Promise<request.Response> {
  return await request(farm.url).get(path).set('accept', 'text/html');
}

function job(id: string, ...needs: string[]) {
  return { id, needs };
}

describe('every page', () => {
  const paths = [
    '/',
    '/agents',
    '/packages',
    `/packages?search=${encodeURIComponent(EVIL)}`,
    '/requests',
    '/requests/rq-1',
    '/jobs/j-1',
    '/profiles/web-zen4',
    '/profiles/web-zen4/testing',
    '/profiles/web-zen4/stable',
    '/diff/web-zen4?from=stable&to=testing',
    `/diff/web-zen4?from=${encodeURIComponent(EVIL)}`,
    '/php/web-zen4',
    `/php/web-zen4/diff?from=${encodeURIComponent(EVIL)}&to=x`,
    '/journal',
    `/journal?subject=${encodeURIComponent(EVIL)}`,
    '/signing',
    '/packages/pkg-web-zen4-php-8.4.1-1',
    `/profiles/web-zen4?search=${encodeURIComponent(EVIL)}`,
    `/profiles/${encodeURIComponent(EVIL)}`,
    `/requests/${encodeURIComponent(EVIL)}`,
    `/${encodeURIComponent(EVIL)}`,
  ];

  it.each(paths)(
    '%s shows foreign text as text, and has nothing that its policy forbids',
    async (path) => {
      const { text, headers } = await page(path);

      expect(text).not.toContain('<script>');
      expect(text).not.toContain('<img src=x');
      expect(text.match(/<script[^>]*>/g)).toHaveLength(1);
      expect(text).not.toMatch(/<style|\sstyle=|\son\w+="/);
      expect(text).not.toMatch(/(?:href|src|action)="(?!\/|#|https:\/\/)/);
      expect(headers['content-security-policy']).toBe(
        "default-src 'none';script-src 'self';style-src 'self';img-src 'self';connect-src 'self';form-action 'self';base-uri 'none';frame-ancestors 'none'",
      );
      expect(headers['x-content-type-options']).toBe('nosniff');
    },
  );

  it.each(paths)("%s can be found one's way in without eyes", async (path) => {
    const { text } = await page(path);
    expect(text).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(text.match(/<h1>/g)).toHaveLength(1);
    expect(text.match(/<main /g)).toHaveLength(1);
    expect(text.match(/<table/g)?.length ?? 0).toBe(text.match(/<caption/g)?.length ?? 0);
    const ids = [...text.matchAll(/ id="([^"]*)"/g)].map((match) => match[1]);
    expect(new Set(ids).size).toBe(ids.length);
    const labels = [...text.matchAll(/aria-labelledby="([^"]*)"/g)].map((match) => match[1]);
    expect(labels.filter((label) => !ids.includes(label))).toEqual([]);
  });

  it('loads its style and script from addresses that change with their content', async () => {
    const { text } = await page('/');
    const urls = [...text.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(
      (match) => match[1] ?? '',
    );
    const answers = await Promise.all(
      [...new Set(urls)].map(async (url) => await request(farm.url).get(url)),
    );

    expect(answers.map(({ headers }) => String(headers['content-type'])).toSorted()).toEqual([
      'image/svg+xml',
      'text/css; charset=utf-8',
      'text/javascript; charset=utf-8',
    ]);
    expect(
      answers.every(({ headers }) => String(headers['cache-control']).includes('immutable')),
    ).toBe(true);
    expect((await request(farm.url).get('/assets/style.css')).status).toBe(404);
    expect((await request(farm.url).get('/assets/..%2fassets.ts')).status).toBe(404);
  });
});

describe('the search in every profile', () => {
  it('gives pages that go on from one profile to the next, with the channels of each package', async () => {
    const other = await startTestServer();
    try {
      for (let number = 10; number < 70; number += 1) {
        other.repository.add({ cpv: `dev-libs/lib${number}-1` });
        other.repository.add({ cpv: `dev-libs/lib${number}-2`, profile: 'web-skylake' });
      }
      const ids = other.repository.packages.map(({ id }) => id);
      await other.repository.publish({
        profile: 'web-skylake',
        channel: 'stable',
        packageIds: ids.filter((id) => id.includes('web-skylake') && !id.includes('lib1')),
        author: 'a',
        reason: 'b',
      });
      const seen: string[] = [];
      for (const offset of [0, 50, 100]) {
        const { text } = await request(other.url).get(`/packages?search=lib&offset=${offset}`);
        expect(text).toContain('120 packages for “lib”.');
        const rows = text.split('<tr>').filter((row) => row.includes('<th scope="row">'));
        for (const row of rows) {
          const [profile] = /web-(?:zen4|skylake)/.exec(row) ?? [];
          const [name] = /lib\d\d/.exec(row) ?? [];
          seen.push(`${profile} ${name} ${row.includes('/stable"') ? 'stable' : 'none'}`);
        }
      }
      const numbers = Array.from({ length: 60 }, (_, index) => index + 10);
      expect(seen).toEqual([
        ...numbers.map((number) => `web-zen4 lib${number} none`),
        ...numbers.map((number) => `web-skylake lib${number} ${number < 20 ? 'none' : 'stable'}`),
      ]);
    } finally {
      await other.close();
    }
  });
});

describe('the page of a request', () => {
  it('follows what is under way, and leaves in peace what has ended', async () => {
    farm.builds.addRequest({ id: 'rq-over', state: 'done', finishedAt: 1 });
    const [open, over] = [await page('/requests/rq-1'), await page('/requests/rq-over')];
    expect(open.text).toContain('data-events="/api/requests/rq-1/events"');
    expect(open.text).toContain('http-equiv="refresh"');
    expect(over.text).not.toMatch(/data-events|http-equiv="refresh"|build cancel/);
  });

  it('says what is left out of a publication, and how a part of what failed is published', async () => {
    const record = farm.repository.packages[0];
    if (record === undefined) {
      throw new Error('the fixture has no package');
    }
    const built = { package: record, how: 'built' } as const;
    farm.builds.addRequest({ id: 'rq-part', state: 'partial', publish: 'testing', finishedAt: 1 });
    farm.builds.built.push({ ...built, requestId: 'rq-part', leftOut: 'It would break x.' });
    farm.builds.addRequest({ id: 'rq-bad', state: 'failed', finishedAt: 1 });
    farm.builds.built.push({ ...built, requestId: 'rq-bad', leftOut: null });
    const because = 'Rebuilt because libfoo.so.1 is gone from dev-libs/foo-2.';
    farm.builds.addJob({ id: 'j-again', requestId: 'rq-bad', state: 'succeeded', because });
    const [part, bad] = [await page('/requests/rq-part'), await page('/requests/rq-bad')];
    expect(part.text).toMatch(/Left out because.*It would break x\./s);
    expect(part.text).not.toContain('build publish');
    expect(bad.text).toContain('rookery build publish rq-bad --partial');
    expect(bad.text).toContain(because);
    expect(bad.text).not.toContain('Left out because');
  });
});

describe('the page of a job', () => {
  it('shows the end of a long log in whole lines, without terminal codes', async () => {
    farm.builds.addJob({ id: 'j-long', requestId: 'rq-1', state: 'failed', attempt: 1 });
    const lines = Array.from(
      { length: 60_000 },
      (_, index) => `\u001b[1mline ${index}\u001b[0m ${'-'.repeat(30)}`,
    );
    const log = Buffer.from(`${lines.join('\r\n')}\n`);
    farm.builds.writeLog('j-long', 1, 0, log);
    const { text } = await page('/jobs/j-long');
    const shown = /<pre class="log"[^>]*>([^<]*)<\/pre>/.exec(text)?.[1] ?? '';

    expect(shown).toMatch(/^line \d+ -+\n/);
    expect(shown).toContain('line 59999');
    expect(shown).not.toContain('\u001b');
    expect(text.length).toBeLessThan(300_000);
    expect(text).toContain('are left out.');
  });
});

describe('the log of an earlier try', () => {
  it('is a link away, and is not followed', async () => {
    farm.builds.addJob({ id: 'j-tries', requestId: 'rq-1', state: 'leased', attempt: 2 });
    farm.builds.writeLog('j-tries', 1, 0, Buffer.from('the first try\n'));
    farm.builds.writeLog('j-tries', 2, 0, Buffer.from('the second try\n'));
    const now = await page('/jobs/j-tries');
    expect(now.text).toContain('the second try');
    expect(now.text).toContain('data-log="/api/jobs/j-tries/log/events?offset=15&amp;attempt=2"');
    expect(now.text).toContain('href="/jobs/j-tries?attempt=1"');

    const before = await page('/jobs/j-tries?attempt=1');
    expect(before.text).toContain('the first try');
    expect(before.text).not.toMatch(/the second try|data-log|http-equiv="refresh"/);
    expect(before.text).toContain('href="/api/jobs/j-tries/log?attempt=1"');
    expect(before.text).toContain('rookery build log j-tries --attempt 1');
  });

  it.each(['0', '3', 'x', '1&attempt=2'])('%s is refused where there is none', async (attempt) => {
    const { status, text } = await page(`/jobs/j-tries?attempt=${attempt}`);
    expect([status, text.includes('has had 2 attempts')]).toEqual([404, true]);
  });
});

describe('html', () => {
  it('escapes values, and only values', () => {
    const inner = html`<b>${'<&>'}</b>`;
    const out = html`<p title="${`"'`}">${inner}${[1, inner]}${null}${undefined}${false}${0}</p>`;
    expect(out.toString()).toBe(
      '<p title="&quot;&#39;"><b>&lt;&amp;&gt;</b>1<b>&lt;&amp;&gt;</b>0</p>',
    );
  });
});

describe('units', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 KiB'],
    [1_468_006, '1.4 MiB'],
    [150 * 1024 * 1024, '150 MiB'],
    [2 ** 50, '1024 TiB'],
  ])('%d bytes are %s', (size, text) => {
    expect(bytes(size)).toBe(text);
  });

  it.each([
    [-5, '0 ms'],
    [850, '850 ms'],
    [42_000, '42 s'],
    [185_000, '3 min 5 s'],
    [180_000, '3 min'],
    [7_800_000, '2 h 10 min'],
  ])('%d ms are %s', (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  it.each([
    [-120_000, 'soon'],
    [30_000, 'just now'],
    [60_000, '1 minute ago'],
    [3_600_000, '1 hour ago'],
    [47 * 3_600_000, '47 hours ago'],
    [49 * 3_600_000, '2 days ago'],
    [90 * 86_400_000, '3 months ago'],
    [800 * 86_400_000, '2 years ago'],
  ])('%d ms ago is %s', (ms, text) => {
    expect(age(1_800_000_000_000 - ms, 1_800_000_000_000)).toBe(text);
  });

  it('count in words', () => {
    expect([count(1, 'package'), count(12_345, 'package')]).toEqual([
      '1 package',
      '12,345 packages',
    ]);
  });
});

describe('the depth of jobs', () => {
  it('is the longest way to them, on diamonds too', () => {
    const found = depths([
      job('d', 'b', 'c'),
      job('b', 'a'),
      job('c', 'a', 'b'),
      job('a', 'elsewhere'),
    ]);
    expect(Object.fromEntries(found)).toEqual({ a: 0, b: 1, c: 2, d: 3 });
  });

  it('is found for circles as well', () => {
    const found = depths([
      { id: 'a', needs: ['b'] },
      { id: 'b', needs: ['a'] },
      { id: 'c', needs: ['c'] },
    ]);
    expect(found.size).toBe(3);
  });
});
