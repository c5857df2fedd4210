import {
  checkAnswerSchema,
  checkBodySchema,
  checkViewSchema,
  damagedListSchema,
} from '../../protocol/repository.ts';
import { actorOf } from '../authentication.ts';
import type { HttpContext } from '../context.ts';
import { streamCheck } from './check-events.ts';
import { checkView, DAY_MS } from './check-view.ts';
import { guardedRoute, NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';

const PATH = '/api/repository/check';

/** The check of the repository, and what it found damaged. */
export function repositoryRoutes(context: HttpContext): readonly Route[] {
  return [...readingRoutes(context), ...changingRoutes(context)];
}

function readingRoutes(context: HttpContext): readonly Route[] {
  const { check, profiles } = context;
  return [
    openRoute({
      method: 'get',
      path: PATH,
      summary: 'The check of the repository that is under way, or the last one',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: checkAnswerSchema },
      handle: async () => {
        const state = check.state();
        return { status: 200, json: { check: state === undefined ? null : checkView(state) } };
      },
    }),
    openRoute({
      method: 'get',
      path: `${PATH}/events`,
      summary: 'The check as server-sent events, until it ends',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: 'text/event-stream' },
      handle: async ({ request, response }) => {
        await streamCheck(context, { request, response });
        return undefined;
      },
    }),
    openRoute({
      method: 'get',
      path: '/api/profiles/:profile/damaged',
      summary: 'Packages of a profile whose bytes are lost',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: damagedListSchema },
      handle: async ({ params }) => {
        const { name } = profiles.get(params('profile'));
        return { status: 200, json: { packages: await check.damaged(name) } };
      },
    }),
  ];
}

function changingRoutes({ check }: HttpContext): readonly Route[] {
  return [
    guardedRoute({
      method: 'post',
      path: PATH,
      role: 'admin',
      summary: 'Begin a check of the repository in the background',
      query: NO_QUERY,
      body: checkBodySchema,
      replies: { 202: checkViewSchema },
      handle: async ({ body: { deep, all, maxAgeDays }, identity }) => {
        const options = { deep, all, maxAgeMs: maxAgeDays * DAY_MS };
        const begun = await check.begin(options, actorOf(identity));
        return { status: 202, json: checkView(begun) };
      },
    }),
    guardedRoute({
      method: 'delete',
      path: PATH,
      role: 'admin',
      summary: 'Cancel the check; what it has read need not be read again',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: checkViewSchema },
      handle: async ({ identity }) => ({
        status: 200,
        json: checkView(await check.cancel(actorOf(identity))),
      }),
    }),
  ];
}
