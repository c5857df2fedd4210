import * as z from 'zod';
import { agentViewSchema } from '../../protocol/agents.ts';
import { blockedListSchema, unblockBodySchema } from '../../protocol/blocked.ts';
import { actorOf } from '../authentication.ts';
import type { HttpContext } from '../context.ts';
import { guardedRoute, NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';
import { agentView } from './views.ts';

/** What the farm has stopped trying, and how to make it try again. */
export function blockedRoutes({ builds, clock, heartbeatMs }: HttpContext): readonly Route[] {
  return [
    openRoute({
      method: 'get',
      path: '/api/blocked',
      summary: 'Builds that failed for good and are not tried again',
      query: z.object({ profile: z.string().optional() }),
      body: NO_BODY,
      replies: { 200: blockedListSchema },
      handle: async ({ query }) => ({
        status: 200,
        json: { blocked: await builds.listBlocked(query.profile) },
      }),
    }),
    guardedRoute({
      method: 'post',
      path: '/api/blocked/unblock',
      role: 'admin',
      summary: 'Let blocked packages be built again',
      query: NO_QUERY,
      body: unblockBodySchema,
      replies: { 200: blockedListSchema },
      handle: async ({ body, identity }) => ({
        status: 200,
        json: { blocked: await builds.unblock(body, actorOf(identity)) },
      }),
    }),
    guardedRoute({
      method: 'post',
      path: '/api/agents/:name/restore',
      role: 'admin',
      summary: 'Give an agent that was taken out jobs again',
      query: NO_QUERY,
      body: z.strictObject({}),
      replies: { 200: agentViewSchema },
      handle: async ({ params, identity }) => {
        const agent = await builds.restoreAgent(params('name'), actorOf(identity));
        return { status: 200, json: agentView(agent, { now: clock.now(), heartbeatMs }) };
      },
    }),
  ];
}
