import { type Request, type Response, Router } from 'express';
import type { HttpContext } from '../context.ts';
import { publicUrlFor } from '../public-url.ts';
import type { Assets } from './assets.ts';
import { type Page, renderPage } from './layout.ts';
import { agentsPage } from './pages/agents-page.ts';
import { channelPage } from './pages/channel-page.ts';
import { differencePage } from './pages/difference-page.ts';
import { fleetPage } from './pages/fleet-page.ts';
import { historyPage } from './pages/history-page.ts';
import { homePage } from './pages/home-page.ts';
import { impactPage } from './pages/impact-page.ts';
import { jobPage } from './pages/job-page.ts';
import { journalPage } from './pages/journal-page.ts';
import { keysPage } from './pages/keys-page.ts';
import { logsPage } from './pages/logs-page.ts';
import { nodePage, nodesPage } from './pages/nodes-page.ts';
import { packagePage } from './pages/package-page.ts';
import { listQuery } from './pages/package-table.ts';
import { phpDifferencePage } from './pages/php-difference-page.ts';
import { phpPage } from './pages/php-page.ts';
import { profilePage } from './pages/profile-page.ts';
import { requestPage } from './pages/request-page.ts';
import { requestsPage } from './pages/requests-page.ts';
import { rolloutPage } from './pages/rollout-page.ts';
import { rolloutsPage } from './pages/rollouts-page.ts';
import { schedulesPage } from './pages/schedules-page.ts';
import { searchPage } from './pages/search-page.ts';
import { timelinePage } from './pages/timeline-page.ts';

type MakePage = (request: Request, response: Response) => Promise<Page>;

/** The pages for people. They read; what changes something is a command, which they name. */
export function pageRouter(context: HttpContext, assets: Assets): Router {
  const router = Router();
  for (const [path, makePage] of pagesOf(context)) {
    router.get(path, async (request, response) => {
      const page = await makePage(request, response);
      response.set('Cache-Control', 'no-store');
      const warnings = context.keys.warnings().map(({ message }) => message);
      response.type('html').send(renderPage(page, assets, warnings));
    });
  }
  return router;
}

function pagesOf(context: HttpContext): readonly (readonly [string, MakePage])[] {
  return [
    ['/', async (request) => await homePage(context, publicUrlFor(context, request))],
    ['/packages', async (request) => await searchPage(context, listQuery(request.query))],
    ['/agents', async (request) => await agentsPage(context, publicUrlFor(context, request))],
    ['/fleet', async () => await fleetPage(context)],
    ['/nodes', async () => await nodesPage(context)],
    ['/nodes/:node', async (request) => await nodePage(context, name(request, 'node'))],
    ['/fleet/impact', async (request) => await impactPage(context, request.query)],
    ['/history', async (request) => await historyPage(context, request.query)],
    ['/logs', async (request, response) => await logsPage(context, request.query, response)],
    ['/requests', async () => await requestsPage(context)],
    ['/requests/:id', async (request) => await requestPage(context, name(request, 'id'))],
    ['/requests/:id/timeline', async (request) => await timelinePage(context, name(request, 'id'))],
    [
      '/jobs/:id',
      async (request) => await jobPage(context, name(request, 'id'), request.query['attempt']),
    ],
    ['/packages/:id', async (request) => await packagePage(context, name(request, 'id'))],
    ['/rollouts', async () => await rolloutsPage(context)],
    [
      '/rollouts/:id',
      async (request) =>
        await rolloutPage(context, name(request, 'id'), request.query['part'] === 'now'),
    ],
    ['/schedules', async () => await schedulesPage(context)],
    ['/signing', async () => keysPage(context)],
    ['/journal', async (request) => await journalPage(context, request.query)],
    [
      '/diff/:profile',
      async (request) => await differencePage(context, name(request, 'profile'), request.query),
    ],
    ['/php/:profile', async (request) => await phpPage(context, name(request, 'profile'))],
    [
      '/php/:profile/diff',
      async (request) => await phpDifferencePage(context, name(request, 'profile'), request.query),
    ],
    [
      '/profiles/:profile',
      async (request) =>
        await profilePage(context, name(request, 'profile'), listQuery(request.query)),
    ],
    [
      '/profiles/:profile/:channel',
      async (request) => {
        const feed = { profile: name(request, 'profile'), channel: name(request, 'channel') };
        const publicUrl = publicUrlFor(context, request);
        return await channelPage(context, feed, { query: listQuery(request.query), publicUrl });
      },
    ],
  ];
}

function name(request: Request, parameter: string): string {
  return String(request.params[parameter]);
}
