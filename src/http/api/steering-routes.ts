import * as z from 'zod';
import { agentViewSchema } from '../../protocol/agents.ts';
import {
  pauseBodySchema,
  pauseListSchema,
  priorityBodySchema,
  profilePauseSchema,
  requestViewSchema,
} from '../../protocol/builds.ts';
import { actorOf } from '../authentication.ts';
import type { HttpContext } from '../context.ts';
import { guardedRoute, NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';
import { agentView, requestView } from './views.ts';

const NOTHING = z.strictObject({});

/** What people say about who builds what when. */
export function steeringRoutes(context: HttpContext): readonly Route[] {
  return [...requestRoutes(context), ...profileRoutes(context), ...agentRoutes(context)];
}

function requestRoutes({ builds }: HttpContext): readonly Route[] {
  return [
    guardedRoute({
      method: 'post',
      path: '/api/requests/:id/pause',
      role: 'admin',
      summary: 'Hand out no more jobs of a request; those under way go on',
      query: NO_QUERY,
      body: pauseBodySchema,
      replies: { 200: requestViewSchema },
      handle: async ({ params, body: { reason }, identity }) => {
        const pause = { actor: actorOf(identity), reason };
        return {
          status: 200,
          json: requestView(await builds.pauseRequest(params('id'), pause)),
        };
      },
    }),
    guardedRoute({
      method: 'post',
      path: '/api/requests/:id/resume',
      role: 'admin',
      summary: 'Hand out the jobs of a paused request again',
      query: NO_QUERY,
      body: NOTHING,
      replies: { 200: requestViewSchema },
      handle: async ({ params, identity }) => ({
        status: 200,
        json: requestView(await builds.resumeRequest(params('id'), actorOf(identity))),
      }),
    }),
    guardedRoute({
      method: 'post',
      path: '/api/requests/:id/priority',
      role: 'admin',
      summary: 'Move a request in the queue',
      query: NO_QUERY,
      body: priorityBodySchema,
      replies: { 200: requestViewSchema },
      handle: async ({ params, body: { priority }, identity }) => {
        const change = { actor: actorOf(identity), priority };
        return {
          status: 200,
          json: requestView(await builds.prioritizeRequest(params('id'), change)),
        };
      },
    }),
  ];
}

function profileRoutes({ builds }: HttpContext): readonly Route[] {
  return [
    openRoute({
      method: 'get',
      path: '/api/pauses',
      summary: 'The profiles that are paused',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: pauseListSchema },
      handle: async () => ({ status: 200, json: { pauses: await builds.listPauses() } }),
    }),
    guardedRoute({
      method: 'post',
      path: '/api/profiles/:profile/pause',
      role: 'admin',
      summary: 'Hand out no more jobs for a profile; those under way go on',
      query: NO_QUERY,
      body: pauseBodySchema,
      replies: { 200: profilePauseSchema },
      handle: async ({ params, body: { reason }, identity }) => {
        const pause = { actor: actorOf(identity), reason };
        return { status: 200, json: await builds.pauseProfile(params('profile'), pause) };
      },
    }),
    guardedRoute({
      method: 'post',
      path: '/api/profiles/:profile/resume',
      role: 'admin',
      summary: 'Hand out jobs for a paused profile again',
      query: NO_QUERY,
      body: NOTHING,
      replies: { 204: null },
      handle: async ({ params, identity }) => {
        await builds.resumeProfile(params('profile'), actorOf(identity));
        return { status: 204 };
      },
    }),
  ];
}

function agentRoutes({ builds, clock, heartbeatMs }: HttpContext): readonly Route[] {
  return [
    guardedRoute({
      method: 'post',
      path: '/api/agents/:agent/drain',
      role: 'admin',
      summary: 'Give an agent no new jobs; what it holds it finishes',
      query: NO_QUERY,
      body: pauseBodySchema,
      replies: { 200: agentViewSchema },
      handle: async ({ params, body: { reason }, identity }) => {
        const drain = { actor: actorOf(identity), reason };
        const agent = await builds.drainAgent(params('agent'), drain);
        return { status: 200, json: agentView(agent, { now: clock.now(), heartbeatMs }) };
      },
    }),
    guardedRoute({
      method: 'post',
      path: '/api/agents/:agent/resume',
      role: 'admin',
      summary: 'Give an agent jobs again',
      query: NO_QUERY,
      body: NOTHING,
      replies: { 200: agentViewSchema },
      handle: async ({ params, identity }) => {
        const agent = await builds.resumeAgent(params('agent'), actorOf(identity));
        return { status: 200, json: agentView(agent, { now: clock.now(), heartbeatMs }) };
      },
    }),
  ];
}
