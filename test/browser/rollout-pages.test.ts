import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { hanging, type RolloutServer, startRolloutServer } from '../http/rollout-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const CHROMIUM = '/usr/bin/chromium';
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-sync'];
const isThere = existsSync(CHROMIUM);
const describeWithBrowser = isThere ? describe : describe.skip;
const why = isThere ? '' : ` (skipped: there is no ${CHROMIUM})`;
const TIMEOUT_MS = 120_000;

const folder = temporaryFolder();
let farm: RolloutServer;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let complaints: string[];
let id: string;

async function open(javaScriptEnabled: boolean): Promise<void> {
  context = await browser.newContext({ javaScriptEnabled });
  context.setDefaultTimeout(30_000);
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

async function until(node: string, state: string): Promise<void> {
  await page.locator(`a.cell.${state}[data-node="${node}"]`).waitFor();
}

describeWithBrowser(`the page of a rollout in a browser${why}`, () => {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  }, TIMEOUT_MS);

  beforeEach(async () => {
    farm = await startRolloutServer(await mkdtemp(join(folder, 'farm-')));
    ({ id } = await farm.planned());
  });

  afterEach(async () => {
    await context.close();
    await farm.close();
  });

  afterAll(async () => {
    await browser.close();
  });

  it(
    'follows it from the first cell to the last, without loading the page again',
    async () => {
      await open(true);
      await page.goto(`${farm.url}/rollouts`);
      await page.getByRole('link', { name: `os-disruptive ${id.slice(0, 12)}` }).click();
      await page.getByRole('heading', { name: 'Before you start' }).waitFor();
      await page.evaluate('window.isSamePage = true');
      expect(await page.locator('a.cell.waiting').count()).toBe(8);

      const { rollouts } = farm.engine;
      await rollouts.approve(id, 'start', 'token:ops');
      await page.getByText('start was approved by ops').waitFor();
      await rollouts.start(id, 'token:ops');
      await page.locator('h1 .pill', { hasText: 'running' }).waitFor();
      for (const [step, state] of [
        ['idle', 'draining'],
        ['merge', 'upgrading'],
        ['check', 'checking'],
        ['done', 'done'],
      ] as const) {
        await farm.reaches(id, 'canary/web1-1', step);
        await until('web1-1', state);
      }
      await farm.until(id, ({ stage }) => stage === 'wave-1');
      await page.locator('tr[aria-current="step"]', { hasText: 'wave-1' }).waitFor();
      await rollouts.pause(id, 'Errors on web7.', 'token:ops');
      await page.locator('#waits + ul', { hasText: 'Errors on web7.' }).waitFor();
      await rollouts.resume(id, 'token:ops');
      await farm.ends(id);
      await page.locator('h1 .pill', { hasText: 'done' }).waitFor();
      for (const node of ['web2-1', 'web3-1', 'web1-2', 'web3-2', 'web1-3', 'web2-3']) {
        await until(node, 'done');
      }
      expect(await page.locator('a.cell.done').allTextContents()).toHaveLength(8);
      expect(await page.locator('.grid-legend li:visible').allTextContents()).toEqual([
        '+ done: 8',
      ]);
      expect(await page.evaluate('window.isSamePage')).toBe(true);
      await page.getByText('rookery rollout rollback').waitFor();
      expect(complaints).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'says the same without JavaScript, and fits on a telephone',
    async () => {
      const { rollouts } = farm.engine;
      farm.fates.step = hanging('web1-1', 'stop-web');
      await rollouts.approve(id, 'start', 'token:ops');
      await rollouts.start(id, 'token:ops');
      await farm.reaches(id, 'canary/web1-1', 'held');
      await open(false);
      await page.setViewportSize({ width: 360, height: 740 });
      await page.goto(farm.url);
      await page.getByRole('heading', { name: 'Rollouts under way' }).waitFor();
      await page.getByRole('heading', { name: '1 node held' }).waitFor();
      await page.goto(`${farm.url}/rollouts/${id}`);
      await until('web1-2', 'waiting');
      await until('web1-1', 'held');
      await page.getByText('canary/web1-1 is held: stop: web1-1 is still at it').waitFor();
      const wide: string[] = [];
      for (const path of ['/', '/rollouts', `/rollouts/${id}`]) {
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
});
