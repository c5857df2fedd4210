import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { packLog } from '../../src/builds/packed-log.ts';
import { addStory, attemptRecord, FAILURE } from '../http/record-samples.ts';
import { startTestServer, type TestServer } from '../http/test-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const CHROMIUM = '/usr/bin/chromium';
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-sync'];
const isThere = existsSync(CHROMIUM);
const describeWithBrowser = isThere ? describe : describe.skip;
const why = isThere ? '' : ` (skipped: there is no ${CHROMIUM})`;
const TIMEOUT_MS = 60_000;
const folder = temporaryFolder();

let farm: TestServer;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let complaints: string[];

async function open(javaScriptEnabled: boolean): Promise<void> {
  context = await browser.newContext({ javaScriptEnabled });
  context.setDefaultTimeout(15_000);
  complaints = [];
  page = await context.newPage();
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) {
      complaints.push(message.text());
    }
  });
  page.on('pageerror', (error) => {
    complaints.push(error.message);
  });
}

describeWithBrowser(`the pages of builds in a browser${why}`, () => {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  }, TIMEOUT_MS);

  beforeEach(async () => {
    farm = await startTestServer();
    addStory(farm);
  });

  afterEach(async () => {
    await context.close();
    await farm.close();
  });

  afterAll(async () => {
    await browser.close();
  });

  it(
    'show who builds what, how far, and how long it will take, and go on with it',
    async () => {
      await open(true);
      await page.goto(`${farm.url}/requests/rq-story`);
      await page.getByText('1 of 2 packages done, about 5 min left').waitFor();
      await page.getByText('12 of 345').waitFor();
      await page.getByRole('cell', { name: `compile: ${FAILURE.text}` }).waitFor();
      expect(await page.locator('.gantt .bar-of').count()).toBe(3);
      expect(await page.locator('.gantt .bar-of.critical').count()).toBe(1);
      expect(await page.locator('.gantt .expected').count()).toBe(1);
      await page.getByText('Critical path, 6 min 29 s: php-8.4.1').waitFor();

      farm.records.running.set('job-run', { phase: 'install', done: null, total: null });
      await page.getByRole('cell', { name: 'install about' }).waitFor();

      await page.locator('.gantt a[href="/jobs/job-bad?attempt=2"]').click();
      await page.getByRole('heading', { name: 'First error' }).waitFor();
      const marked = page.locator('.excerpt .error');
      expect(await marked.textContent()).toBe(FAILURE.text);
      expect(await marked.getAttribute('value')).toBe('12');
      expect(complaints).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'follow a log over a server that goes away, and end with the job',
    async () => {
      farm.builds.writeLog('job-run', 1, 0, Buffer.from('\u001b[1mone\u001b[0m\npart'));
      await open(true);
      await page.goto(`${farm.url}/jobs/job-run`);
      const log = page.getByLabel('Build log');
      await log.getByText('one').waitFor();
      expect(await log.textContent()).toBe('one\n');
      farm.server.closeAllConnections();
      farm.builds.writeLog('job-run', 1, 16, Buffer.from(' 1%\rpart 2%\n'));
      await log.getByText('part 2%').waitFor();
      expect(await log.textContent()).toBe('one\npart 2%\n');
      await farm.builds.changeJob('job-run', { state: 'succeeded', finishedAt: 5 });
      await page.locator('h1 .pill', { hasText: 'succeeded' }).waitFor();
      expect(await page.locator('[data-live-region="job"][data-refresh]').count()).toBe(0);
    },
    TIMEOUT_MS,
  );

  it(
    'show history and searches without JavaScript, and fit on a telephone',
    async () => {
      farm.records.attempts.push(
        attemptRecord(),
        attemptRecord({ finishedAt: 90_000_000, outcome: 'failed', failure: FAILURE }),
      );
      farm.records.groups.push({
        name: 'www-servers/nginx',
        attempts: 4,
        succeeded: 3,
        failed: 1,
        spentMs: 5000,
        averageMs: 1000,
        longestMs: 2000,
        averageBytes: 3000,
        lastAt: 0,
      });
      const found = { requestId: 'rq-story', jobId: 'job-bad', attempt: 2, line: 12 };
      farm.records.steps.push(
        {
          kind: 'match',
          match: { ...found, name: 'dev-libs/bad-1', profile: 'web-zen4', text: FAILURE.text },
        },
        {
          kind: 'end',
          logs: 3,
          total: 9,
          matches: 1,
          stoppedBy: 'time',
          next: { startedAt: 7, jobId: 'job-bad', attempt: 2 },
        },
      );
      await open(false);
      await page.goto(farm.url);
      await page.getByRole('link', { name: 'History' }).click();
      await page.getByRole('img', { name: '75 % succeeded' }).waitFor();
      expect(await page.locator('.chart circle').count()).toBe(2);
      await page.getByRole('link', { name: 'www-servers/nginx', exact: true }).click();
      expect(farm.records.lastHistory).toMatchObject({ package: 'www-servers/nginx' });
      expect(await page.locator('.chart').count()).toBe(2);
      await page.getByRole('link', { name: 'Search in logs' }).click();
      await page.getByRole('searchbox').fill('undeclared');
      await page.getByRole('button', { name: 'Search' }).click();
      await page.getByText(FAILURE.text).waitFor();
      await page.getByRole('link', { name: 'Search on in older logs' }).click();
      expect(farm.records.lastSearch?.after).toEqual({
        startedAt: 7,
        jobId: 'job-bad',
        attempt: 2,
      });

      await page.setViewportSize({ width: 360, height: 740 });
      const paths = [
        '/history',
        '/logs?q=undeclared',
        '/requests/rq-story',
        '/requests/rq-story/timeline',
        '/jobs/job-bad',
        '/jobs/job-run',
      ];
      const wide: string[] = [];
      for (const path of paths) {
        await page.goto(farm.url + path, { waitUntil: 'domcontentloaded' });
        if ((await page.evaluate('document.documentElement.scrollWidth > innerWidth')) === true) {
          wide.push(path);
        }
      }
      expect(wide).toEqual([]);
      expect(complaints).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'lead to whole logs that the browser unpacks itself, whatever their number of frames',
    async () => {
      const log = `${'checking for gcc... gcc\n'.repeat(60_000)}the end\n`;
      farm.builds.writeLog('job-bad', 2, 0, Buffer.from(log));
      const path = join(folder, 'packed.log');
      await writeFile(path, log);
      await packLog(path);
      farm.records.packed.set('job-bad/2', `${path}.zst`);
      await open(true);
      await page.goto(`${farm.url}/jobs/job-bad`);
      const answer = await page.evaluate(async () => {
        const response = await fetch('/api/jobs/job-bad/log?attempt=2');
        const text = await response.text();
        return {
          encoding: response.headers.get('content-encoding'),
          length: text.length,
          end: text.slice(-8),
        };
      });
      expect(answer).toEqual({
        encoding: expect.stringMatching(/^(zstd|gzip)$/),
        length: log.length,
        end: 'the end\n',
      });
      expect(complaints).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
