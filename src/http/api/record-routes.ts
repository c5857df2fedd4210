import * as z from 'zod';
import { HISTORY_GROUPINGS, type HistoryFilter } from '../../builds/history.ts';
import {
  failureDetailSchema,
  historyGroupsSchema,
  historySchema,
  timelineSchema,
} from '../../protocol/build-records.ts';
import { AppError } from '../../support/errors.ts';
import type { HttpContext } from '../context.ts';
import { attemptView } from './attempt-view.ts';
import { streamLogEvents } from './log-events.ts';
import { logSearchQuerySchema, streamLogSearch } from './log-search.ts';
import { requireJob } from './lookups.ts';
import { NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';

const DAY_MS = 86_400_000;
const attemptSchema = z.coerce.number().int().min(1);

export const historyQuerySchema = z.object({
  profile: z.string().max(200).optional(),
  package: z.string().max(300).optional(),
  agent: z.string().max(200).optional(),
  days: z.coerce.number().int().min(1).max(36_500).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

export function recordRoutes(context: HttpContext): readonly Route[] {
  return [...requestRoutes(context), ...logRoutes(context), ...historyRoutes(context)];
}

function requestRoutes({ records }: HttpContext): readonly Route[] {
  return [
    openRoute({
      method: 'get',
      path: '/api/requests/:id/timeline',
      summary: 'Who works on a request when, its critical path, and when it will be done',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: timelineSchema },
      handle: async ({ params }) => {
        const timeline = await records.timeline(params('id'));
        if (timeline === undefined) {
          throw new AppError('unknown-request', `There is no request ${params('id')}.`);
        }
        return { status: 200, json: timeline };
      },
    }),
  ];
}

function logRoutes(context: HttpContext): readonly Route[] {
  return [
    openRoute({
      method: 'get',
      path: '/api/jobs/:id/failure',
      summary: 'The first error in the log of an attempt, with the lines around it',
      query: z.object({ attempt: attemptSchema.optional() }),
      body: NO_BODY,
      replies: { 200: failureDetailSchema },
      handle: async ({ params, query }) => {
        const job = await requireJob(context, params('id'));
        const attempt = query.attempt ?? job.attempt;
        const excerpt = await context.records.excerpt({ jobId: job.id, attempt });
        if (excerpt === undefined) {
          throw new AppError(
            'failure-unknown',
            `No first error is known of attempt ${attempt} at ${job.name}.`,
          );
        }
        const { failure, firstLine, lines } = excerpt;
        const { phase, text, line } = failure;
        return { status: 200, json: { attempt, phase, text, line, firstLine, lines } };
      },
    }),
    openRoute({
      method: 'get',
      path: '/api/jobs/:id/log/events',
      summary: 'The log as server-sent events, attempt after attempt, until the job has ended',
      query: z.object({
        attempt: attemptSchema.optional(),
        offset: z.coerce.number().int().min(0).default(0),
      }),
      body: NO_BODY,
      replies: { 200: 'text/event-stream' },
      handle: async ({ request, response, params, query }) => {
        await streamLogEvents(context, { request, response }, { jobId: params('id'), ...query });
        return undefined;
      },
    }),
    openRoute({
      method: 'get',
      path: '/api/logs/search',
      summary: 'Search the logs of a request, or of all, as server-sent events',
      query: logSearchQuerySchema,
      body: NO_BODY,
      replies: { 200: 'text/event-stream' },
      handle: async ({ request, response, query }) => {
        await streamLogSearch(context, { request, response }, query);
        return undefined;
      },
    }),
  ];
}

function historyRoutes({ records, clock }: HttpContext): readonly Route[] {
  return [
    openRoute({
      method: 'get',
      path: '/api/history',
      summary: 'Attempts that have ended, newest first',
      query: historyQuerySchema,
      body: NO_BODY,
      replies: { 200: historySchema },
      handle: async ({ query }) => {
        const filter = { ...historyFilter(query, clock.now()), limit: query.limit };
        const found = await records.history(filter);
        return { status: 200, json: { attempts: found.map(attemptView) } };
      },
    }),
    ...HISTORY_GROUPINGS.map((grouping) =>
      openRoute({
        method: 'get',
        path: `/api/history/${grouping}`,
        summary: `What came of all attempts, by ${grouping}`,
        query: historyQuerySchema,
        body: NO_BODY,
        replies: { 200: historyGroupsSchema },
        handle: async ({ query }) => {
          const filter = { ...historyFilter(query, clock.now()), limit: query.limit };
          const groups = await records.historyBy(grouping, filter);
          return { status: 200, json: { groups: [...groups] } };
        },
      }),
    ),
  ];
}

export function historyFilter(
  query: z.output<typeof historyQuerySchema>,
  now: number,
): HistoryFilter {
  const { profile, package: name, agent, days } = query;
  return {
    ...(profile === undefined ? {} : { profile }),
    ...(name === undefined ? {} : { package: name }),
    ...(agent === undefined ? {} : { agent }),
    ...(days === undefined ? {} : { since: now - days * DAY_MS }),
  };
}
