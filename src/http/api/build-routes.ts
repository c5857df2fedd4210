import * as z from 'zod';
import {
  jobDetailSchema,
  publishRequestBodySchema,
  requestBodySchema,
  requestDetailSchema,
  requestListSchema,
  requestViewSchema,
} from '../../protocol/builds.ts';
import { pageQuerySchema } from '../../protocol/common.ts';
import { AppError } from '../../support/errors.ts';
import { actorOf } from '../authentication.ts';
import type { HttpContext } from '../context.ts';
import { streamJobLog } from './job-log.ts';
import { oneJob } from './job-views.ts';
import { requestDetail } from './request-detail.ts';
import { streamRequestEvents } from './request-events.ts';
import { guardedRoute, NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';
import { requestView } from './views.ts';

function logPath(jobId: string, attempt: number): string {
  return `/api/jobs/${encodeURIComponent(jobId)}/log?attempt=${attempt}`;
}

const logQuerySchema = z.object({
  attempt: z.coerce.number().int().min(1).optional(),
  offset: z.coerce.number().int().min(0).default(0),
  follow: z.enum(['0', '1']).default('0'),
});

export function buildRoutes(context: HttpContext): readonly Route[] {
  return [
    createRoute(context),
    ...requestRoutes(context),
    ...followRoutes(context),
    ...jobRoutes(context),
  ];
}

function requestRoutes({ builds }: HttpContext): readonly Route[] {
  return [
    openRoute({
      method: 'get',
      path: '/api/requests',
      summary: 'Requests, newest first',
      query: pageQuerySchema.pick({ limit: true }).extend({ profile: z.string().optional() }),
      body: NO_BODY,
      replies: { 200: requestListSchema },
      handle: async ({ query: { profile, limit } }) => {
        const found = await builds.listRequests({
          limit,
          ...(profile === undefined ? {} : { profile }),
        });
        return { status: 200, json: { requests: found.map(requestView) } };
      },
    }),
    guardedRoute({
      method: 'post',
      path: '/api/requests/:id/cancel',
      role: 'admin',
      summary: 'Cancel what a request has not built yet',
      query: NO_QUERY,
      body: z.strictObject({}),
      replies: { 200: requestViewSchema },
      handle: async ({ params, identity }) => ({
        status: 200,
        json: requestView(await builds.cancelRequest(params('id'), actorOf(identity))),
      }),
    }),
    guardedRoute({
      method: 'post',
      path: '/api/requests/:id/publish',
      role: 'admin',
      summary: 'Publish a request that has ended, or the part of it that breaks nothing',
      query: NO_QUERY,
      body: publishRequestBodySchema,
      replies: { 200: requestViewSchema },
      handle: async ({ params, body: { partial, force, channel, reason }, identity }) => {
        const made = await builds.publishRequest(params('id'), {
          actor: actorOf(identity),
          partial,
          force,
          ...(channel === undefined ? {} : { channel }),
          ...(reason === undefined ? {} : { reason }),
        });
        return { status: 200, json: requestView(made) };
      },
    }),
  ];
}

function createRoute(context: HttpContext): Route {
  return guardedRoute({
    method: 'post',
    path: '/api/requests',
    role: 'admin',
    summary: 'Ask for packages to be built',
    query: NO_QUERY,
    body: requestBodySchema,
    replies: { 201: requestViewSchema },
    handle: async ({ body, identity }) => {
      const { atoms, publish, rebuildFor, ...options } = body;
      if (atoms.length === 0 && rebuildFor === undefined) {
        const message = '"atoms" of the body is []: it has to have at least 1 entry.';
        throw new AppError('invalid-body', message, {
          details: { faults: [{ path: 'atoms', message }] },
        });
      }
      const made = await context.builds.createRequest({
        atoms,
        ...options,
        author: actorOf(identity),
        ...(publish === undefined ? {} : { publish }),
        ...(rebuildFor === undefined ? {} : { rebuildFor }),
      });
      return { status: 201, json: requestView(made) };
    },
  });
}

function followRoutes(context: HttpContext): readonly Route[] {
  return [
    openRoute({
      method: 'get',
      path: '/api/requests/:id',
      summary: 'One request with its jobs and packages',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: requestDetailSchema },
      handle: async ({ params }) => ({
        status: 200,
        json: await requestDetail(context, params('id')),
      }),
    }),
    openRoute({
      method: 'get',
      path: '/api/requests/:id/events',
      summary: 'The request at each change, as server-sent events, until it has ended',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: 'text/event-stream' },
      handle: async ({ request, response, params }) => {
        await streamRequestEvents(context, { request, response, id: params('id') });
        return undefined;
      },
    }),
  ];
}

function jobRoutes(context: HttpContext): readonly Route[] {
  return [
    openRoute({
      method: 'get',
      path: '/api/jobs/:id',
      summary: 'One job with its attempts',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: jobDetailSchema },
      handle: async ({ params }) => {
        const { view, attempts } = await oneJob(context, params('id'));
        return {
          status: 200,
          json: {
            ...view,
            attempts: attempts.map((one) => ({ ...one, log: logPath(view.id, one.attempt) })),
          },
        };
      },
    }),
    openRoute({
      method: 'get',
      path: '/api/jobs/:id/log',
      summary: 'The log of an attempt (the last by default); with follow=1 until it has ended',
      query: logQuerySchema,
      body: NO_BODY,
      replies: { 200: 'text/plain' },
      handle: async ({ request, response, params, query: { attempt, offset, follow } }) => {
        const log = { jobId: params('id'), attempt, offset, follow: follow === '1' };
        await streamJobLog(context, { request, response }, log);
        return undefined;
      },
    }),
  ];
}
