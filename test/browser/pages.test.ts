import { existsSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { startTestServer, type TestServer } from '../http/test-server.ts';
import { UNSAID_ABILITIES } from '../support/unsaid-abilities.ts';

const CHROMIUM = '/usr/bin/chromium';
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const isThere = existsSync(CHROMIUM);
const describeWithBrowser = isThere ? describe : describe.skip;
const why = isThere ? '' : ` (skipped: there is no ${CHROMIUM})`;
const TIMEOUT_MS = 60_000;
const LOG = Buffer.from('\u001b[32m*\u001b[0m configure <options>\n');

let farm: TestServer;
let browser: Browser;
let context: BrowserContext;
let page: Page;
/** Everything that a browser complains about. */
let complaints: string[];

async function open(options: { readonly javaScriptEnabled: boolean }): Promise<void> {
  context = await browser.newContext({
    ...options,
    permissions: ['clipboard-read', 'clipboard-write'],
  });
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
  page.on('requestfailed', (request) => {
    const failure = request.failure()?.errorText ?? '';
    if (failure !== 'net::ERR_ABORTED') {
      complaints.push(`${request.url()} ${failure}`);
    }
  });
  page.on('response', (response) => {
    if (response.status() >= 400) {
      complaints.push(`${response.url()} ${response.status()}`);
    }
  });
}

async function fill(): Promise<void> {
  const { repository, builds, clock } = farm;
  for (const pf of ['php-8.4.1', 'swoole-6.0.0', 'xdebug-3.4.0']) {
    repository.add({
      cpv: `dev-lang/${pf}`,
      metadata: {
        DESCRIPTION: `<script>alert("${pf}")</script>`,
        HOMEPAGE: 'javascript:alert(1) https://www.php.net/',
        ROOKERY_PROVENANCE: '{"agent":"builder-1","portage":"3.0.82"}',
      },
    });
  }
  for (let number = 1; number <= 60; number += 1) {
    repository.add({ cpv: `dev-libs/lib${number}-1.${number}` });
  }
  await repository.publish({
    profile: 'web-zen4',
    channel: 'testing',
    author: 'token:ops',
    reason: 'Weekly update',
  });
  builds.addRequest({
    id: 'rq-live',
    atoms: ['www-servers/nginx'],
    publish: 'testing',
    createdAt: clock.now() - 60_000,
  });
  builds.addJob({
    id: 'job-pcre',
    requestId: 'rq-live',
    name: 'dev-libs/libpcre2-10.44',
    state: 'succeeded',
    attempt: 1,
  });
  builds.addJob({
    id: 'job-nginx',
    requestId: 'rq-live',
    name: 'www-servers/nginx-1.27.3',
    state: 'leased',
    attempt: 1,
    agent: 'builder-1',
    reason: null,
    startedAt: clock.now() - 30_000,
    needs: ['job-pcre'],
  });
  builds.writeLog('job-nginx', 1, 0, LOG);
  await builds.registerAgent({
    name: 'builder-1',
    chost: 'x86_64-pc-linux-gnu',
    cpuFlags: ['avx2'],
    cores: 32,
    memoryBytes: 2 ** 37,
    portageVersion: '3.0.82',
    executors: ['portage'],
    ...UNSAID_ABILITIES,
  });
}

describeWithBrowser(`the pages in a browser${why}`, () => {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  }, TIMEOUT_MS);

  beforeEach(async () => {
    farm = await startTestServer();
    await fill();
  });

  afterEach(async () => {
    await context.close();
    await farm.close();
  });

  afterAll(async () => {
    await browser.close();
  });

  it(
    'lead from the first page to a package, a client script and a live log',
    async () => {
      await open({ javaScriptEnabled: true });
      await page.goto(farm.url);
      await page.getByRole('link', { name: 'web-zen4' }).first().click();
      await page.getByRole('heading', { name: 'web-zen4', level: 1 }).waitFor();
      await page
        .getByRole('region', { name: 'Channels' })
        .getByRole('link', { name: 'testing' })
        .click();
      await page.getByText('63 packages.').waitFor();

      await page.getByRole('searchbox').fill('swoole');
      await page.getByText('1 package for “swoole”.').waitFor();
      expect(page.url()).toBe(`${farm.url}/profiles/web-zen4/testing?search=swoole`);

      await page.getByText('Read the script first').click();
      await page.getByLabel('Client script').waitFor();
      await page.locator('button[data-copy="client-script"]').click();
      await page.getByRole('button', { name: 'Copied' }).waitFor();
      const script = await (await fetch(`${farm.url}/setup/web-zen4/testing.sh`)).text();
      expect(await page.evaluate('navigator.clipboard.readText()')).toBe(script);

      await page.getByRole('link', { name: 'dev-lang/swoole' }).click();
      await page.getByRole('heading', { name: 'dev-lang/swoole 6.0.0' }).waitFor();
      expect(
        await page.getByText('<script>alert("swoole-6.0.0")</script>').first().isVisible(),
      ).toBe(true);
      expect(await page.locator('a[href^="javascript:"]').count()).toBe(0);

      await page.getByRole('link', { name: 'Builds', exact: true }).click();
      await page.getByRole('link', { name: 'www-servers/nginx' }).click();
      await page.getByText('1 of 2 packages done').waitFor();
      await page
        .getByRole('region', { name: 'Jobs' })
        .getByRole('link', { name: 'www-servers/nginx-1.27.3' })
        .click();
      const log = page.getByLabel('Build log');
      await log.getByText('* configure <options>').waitFor();
      farm.builds.writeLog('job-nginx', 1, LOG.length, Buffer.from('gcc -c ngx_<b>main</b>.c\n'));
      await log.getByText('gcc -c ngx_<b>main</b>.c').waitFor();
      await farm.builds.changeJob('job-nginx', {
        state: 'succeeded',
        finishedAt: farm.clock.now(),
      });
      await page.locator('h1 .pill', { hasText: 'succeeded' }).waitFor();

      expect(complaints).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it.each([true, false])(
    'find a package of any profile from the first page, and set up a node there (JavaScript: %s)',
    async (javaScriptEnabled) => {
      farm.repository.add({ cpv: 'dev-lang/swoole-6.0.1', profile: 'web-skylake' });
      await open({ javaScriptEnabled });
      await page.goto(farm.url);
      await page.getByText('Set up a node for testing').click();
      const command = page.getByLabel('Command that sets up a node of web-zen4');
      await command.waitFor();
      expect(await command.textContent()).toContain(`${farm.url}/setup/web-zen4/testing.sh`);
      const copyButton = page.locator('button[data-copy="command-web-zen4"]');
      expect(await copyButton.isVisible()).toBe(javaScriptEnabled);
      if (javaScriptEnabled) {
        await copyButton.click();
        await page.getByRole('button', { name: 'Copied' }).waitFor();
      }

      await page.getByRole('searchbox').fill('swoole');
      await page.getByRole('button', { name: 'Search' }).click();
      await page.getByText('2 packages for “swoole”.').waitFor();
      expect(page.url()).toBe(`${farm.url}/packages?search=swoole`);
      const rows = page.getByRole('row').filter({ hasText: 'swoole' });
      expect((await rows.allInnerTexts()).map((text) => text.split(/\s+/).join(' '))).toEqual([
        expect.stringMatching(/^dev-lang\/swoole .* web-zen4 testing 6\.0\.0 .* signed$/),
        expect.stringMatching(/^dev-lang\/swoole .*web-skylake none 6\.0\.1 .* signed$/),
      ]);

      await page.getByRole('searchbox').fill('xdebug');
      if (!javaScriptEnabled) {
        await page.getByRole('button', { name: 'Search' }).click();
      }
      await page.getByText('1 package for “xdebug”.').waitFor();
      await page.getByRole('link', { name: 'dev-lang/xdebug' }).click();
      await page.getByRole('heading', { name: 'dev-lang/xdebug 3.4.0' }).waitFor();
      await page.getByRole('link', { name: 'Overview' }).click();
      await page.getByRole('link', { name: '63 packages' }).click();
      await page.getByText('63 packages.').waitFor();
      expect(complaints).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'show a request as it goes on',
    async () => {
      await open({ javaScriptEnabled: true });
      await page.goto(`${farm.url}/requests/rq-live`);
      await page.getByText('1 of 2 packages done').waitFor();
      expect(await page.locator('svg .node').count()).toBe(2);
      await farm.builds.changeJob('job-nginx', {
        state: 'failed',
        reason: 'It does not link.',
        finishedAt: farm.clock.now(),
      });
      await page.getByText('2 of 2 packages done').waitFor();
      await page.getByRole('cell', { name: 'It does not link.' }).waitFor();
      await farm.builds.changeRequest('rq-live', {
        state: 'failed',
        reason: 'One package failed.',
        finishedAt: farm.clock.now(),
      });
      await page.locator('h1 .pill', { hasText: 'failed' }).waitFor();
      await page.getByText('One package failed.').waitFor();
      expect(complaints).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'say the same without JavaScript',
    async () => {
      await open({ javaScriptEnabled: false });
      await page.goto(farm.url);
      await page.getByRole('link', { name: 'testing' }).first().click();
      await page.getByText('63 packages.').waitFor();
      await page.getByRole('link', { name: 'Next' }).click();
      await page.getByText('51 to 63 of 63').waitFor();
      await page.getByRole('searchbox').fill('swoole');
      await page.getByRole('button', { name: 'Search' }).click();
      await page.getByText('1 package for “swoole”.').waitFor();
      expect(await page.locator('button[data-copy]').first().isVisible()).toBe(false);
      await page.getByText('Read the script first').click();
      await page.getByLabel('Client script').waitFor();
      await page.getByRole('link', { name: 'dev-lang/swoole' }).click();
      await page.getByRole('heading', { name: 'Provenance' }).waitFor();
      await page.goto(`${farm.url}/requests/rq-live`);
      await page.getByText('1 of 2 packages done').waitFor();
      await page
        .getByRole('region', { name: 'Jobs' })
        .getByRole('link', { name: 'www-servers/nginx-1.27.3' })
        .click();
      await page.getByLabel('Build log').getByText('* configure <options>').waitFor();
      await page.getByRole('link', { name: 'Agents' }).click();
      await page.getByRole('heading', { name: 'builder-1' }).waitFor();
      expect(complaints).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'fit on a telephone, in light and in dark',
    async () => {
      await open({ javaScriptEnabled: true });
      await page.setViewportSize({ width: 360, height: 740 });
      const paths = [
        '/',
        '/packages?search=lib',
        '/profiles/web-zen4',
        '/profiles/web-zen4/testing',
        '/requests',
        '/requests/rq-live',
        '/jobs/job-nginx',
        '/agents',
        '/nodes',
        '/journal',
        '/diff/web-zen4?from=stable&to=testing',
        `/packages/${farm.repository.packages[0]?.id}`,
      ];
      const wide: string[] = [];
      const grounds = new Set<unknown>();
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        for (const path of paths) {
          await page.goto(farm.url + path, { waitUntil: 'domcontentloaded' });
          if ((await page.evaluate('document.documentElement.scrollWidth > innerWidth')) === true) {
            wide.push(path);
          }
        }
        grounds.add(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
      }
      expect(wide).toEqual([]);
      expect(grounds.size).toBe(2);
      expect(complaints).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
