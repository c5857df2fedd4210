import { pipeline } from 'node:stream/promises';
import * as z from 'zod';
import type { LeaseKey } from '../../builds/builds.ts';
import {
  agentDescriptionSchema,
  agentListSchema,
  attemptQuerySchema,
  heartbeatQuerySchema,
  heartbeatReplySchema,
  leaseQuerySchema,
  leaseReplySchema,
  logReplySchema,
  planReplySchema,
  portagePlanSchema,
  registrationSchema,
  resultSchema,
  treeReplySchema,
} from '../../protocol/agents.ts';
import { sha512Schema } from '../../protocol/common.ts';
import { packageViewSchema } from '../../protocol/packages.ts';
import type { HttpContext } from '../context.ts';
import { lifetimeOf } from '../lifetime.ts';
import { announcedLength, expectUpload, readBody } from '../request-body.ts';
import { BYTES, guardedRoute, NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';
import { agentView, leaseMessage, packageView } from './views.ts';

const PLAN_BYTES = 64 * 1024 * 1024;
const LOG_PIECE_BYTES = 8 * 1024 * 1024;
const JOB = '/api/agent/jobs/:job';

export function agentRoutes(context: HttpContext): readonly Route[] {
  return [
    listRoute(context),
    registerRoute(context),
    leaseRoute(context),
    heartbeatRoute(context),
    logRoute(context),
    sourceRoute(context),
    planRoute(context),
    packageRoute(context),
    treeRoute(context),
    resultRoute(context),
  ];
}

function listRoute({ builds, clock, heartbeatMs }: HttpContext): Route {
  return openRoute({
    method: 'get',
    path: '/api/agents',
    summary: 'Every agent that has registered',
    query: NO_QUERY,
    body: NO_BODY,
    replies: { 200: agentListSchema },
    handle: async () => {
      const times = { now: clock.now(), heartbeatMs };
      const agents = await builds.listAgents();
      return { status: 200, json: { agents: agents.map((agent) => agentView(agent, times)) } };
    },
  });
}

function registerRoute(context: HttpContext): Route {
  const { builds, heartbeatMs } = context;
  return guardedRoute({
    method: 'post',
    path: '/api/agent/register',
    role: 'builder',
    summary: 'Tell what this agent is and can do',
    query: NO_QUERY,
    body: agentDescriptionSchema,
    replies: { 200: registrationSchema },
    handle: async ({ body }) => {
      const { name } = await builds.registerAgent(body);
      return { status: 200, json: { agent: name, heartbeatMs, publicKey: context.publicKey } };
    },
  });
}

function leaseRoute(context: HttpContext): Route {
  const { builds, stopping } = context;
  return guardedRoute({
    method: 'post',
    path: '/api/agent/lease',
    role: 'builder',
    summary: 'Wait for a job',
    query: NO_QUERY,
    body: leaseQuerySchema,
    replies: { 200: leaseReplySchema, 204: null },
    handle: async ({ body: { agent, waitMs, diskFreeBytes }, response }) => {
      const life = lifetimeOf(response, stopping);
      try {
        const lease = await builds.lease(agent, waitMs, life.signal, diskFreeBytes);
        if (lease !== undefined) {
          return { status: 200, json: leaseMessage(lease, context.publicKey) };
        }
        const idle = await builds.whyIdle(agent);
        return idle === undefined ? { status: 204 } : { status: 200, json: { idle } };
      } finally {
        life.end();
      }
    },
  });
}

function heartbeatRoute({ builds, stopping }: HttpContext): Route {
  return guardedRoute({
    method: 'post',
    path: `${JOB}/heartbeat`,
    role: 'builder',
    summary: 'Keep the lease, and be told when the job is cancelled',
    query: heartbeatQuerySchema,
    body: BYTES,
    replies: { 200: heartbeatReplySchema },
    handle: async ({ params, query, response }) => {
      const life = lifetimeOf(response, stopping);
      try {
        const wait = { waitMs: query.wait, signal: life.signal };
        const command = await builds.heartbeat(keyOf(params('job'), query), wait);
        return { status: 200, json: { command } };
      } finally {
        life.end();
      }
    },
  });
}

function logRoute({ builds }: HttpContext): Route {
  return guardedRoute({
    method: 'post',
    path: `${JOB}/log`,
    role: 'builder',
    summary: 'Append to the log',
    query: attemptQuerySchema.extend({ offset: z.coerce.number().int().min(0) }),
    body: BYTES,
    replies: { 200: logReplySchema },
    handle: async ({ params, query, request }) => {
      const bytes = await readBody(request, LOG_PIECE_BYTES);
      const size = await builds.appendLog(keyOf(params('job'), query), query.offset, bytes);
      return { status: 200, json: { size, isFollowed: builds.isLogFollowed(params('job')) } };
    },
  });
}

function sourceRoute({ builds }: HttpContext): Route {
  return guardedRoute({
    method: 'get',
    path: `${JOB}/source`,
    role: 'builder',
    summary: 'The packed source folder of a job',
    query: attemptQuerySchema,
    body: NO_BODY,
    replies: { 200: 'application/gzip' },
    handle: async ({ params, query, request, response }) => {
      const { stream, size } = await builds.openSource(keyOf(params('job'), query));
      response.status(200).set({ 'Content-Type': 'application/gzip', 'Content-Length': `${size}` });
      if (request.method === 'HEAD') {
        stream.destroy();
        response.end();
      } else {
        await pipeline(stream, response);
      }
      return undefined;
    },
  });
}

function planRoute({ builds }: HttpContext): Route {
  return guardedRoute({
    method: 'post',
    path: `${JOB}/plan`,
    role: 'builder',
    summary: "Hand in Portage's plan",
    query: attemptQuerySchema,
    body: portagePlanSchema,
    maxBodyBytes: PLAN_BYTES,
    replies: { 200: planReplySchema },
    handle: async ({ params, query, body }) => {
      const rebuild = await builds.acceptPlan(keyOf(params('job'), query), body);
      return { status: 200, json: { rebuild: [...rebuild] } };
    },
  });
}

function packageRoute({ builds }: HttpContext): Route {
  return guardedRoute({
    method: 'put',
    path: `${JOB}/package`,
    role: 'builder',
    summary: 'Hand in the package',
    query: attemptQuerySchema.extend({ sha512: sha512Schema }),
    body: BYTES,
    replies: { 200: packageViewSchema },
    handle: async ({ params, query, request }) => {
      expectUpload(request);
      const size = announcedLength(request);
      const record = await builds.acceptPackage(keyOf(params('job'), query), {
        stream: request,
        sha512: query.sha512,
        ...(size === undefined ? {} : { size }),
      });
      return { status: 200, json: packageView(record) };
    },
  });
}

function treeRoute({ builds }: HttpContext): Route {
  return guardedRoute({
    method: 'put',
    path: `${JOB}/tree`,
    role: 'builder',
    summary: 'Hand in the PHP tree',
    query: attemptQuerySchema.extend({ sha512: sha512Schema }),
    body: BYTES,
    replies: { 200: treeReplySchema },
    handle: async ({ params, query, request }) => {
      expectUpload(request);
      const size = announcedLength(request);
      const tree = await builds.acceptTree(keyOf(params('job'), query), {
        stream: request,
        sha512: query.sha512,
        ...(size === undefined ? {} : { size }),
      });
      return { status: 200, json: { tree } };
    },
  });
}

function resultRoute({ builds }: HttpContext): Route {
  return guardedRoute({
    method: 'post',
    path: `${JOB}/result`,
    role: 'builder',
    summary: 'End the attempt',
    query: attemptQuerySchema,
    body: resultSchema,
    replies: { 204: null },
    handle: async ({ params, query, body: { outcome, code, reason, measured } }) => {
      await builds.acceptResult(keyOf(params('job'), query), {
        outcome,
        ...(code === undefined ? {} : { code }),
        ...(reason === undefined ? {} : { reason }),
        ...(measured === undefined ? {} : { measured }),
      });
      return { status: 204 };
    },
  });
}

function keyOf(
  jobId: string,
  query: { readonly agent: string; readonly attempt: number },
): LeaseKey {
  return { jobId, attempt: query.attempt, agent: query.agent };
}
