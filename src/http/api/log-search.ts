import type { Request, Response } from 'express';
import * as z from 'zod';
import type { LogQuery, SearchStep } from '../../builds/search-logs.ts';
import type { LogPlace } from '../../builds/timeline-store.ts';
import { AppError } from '../../support/errors.ts';
import type { HttpContext } from '../context.ts';
import { lifetimeOf } from '../lifetime.ts';
import { requireJob, requireRequest } from './lookups.ts';
import { beginStream, endStream, writePiece } from './streaming.ts';

/** A search ends after so long, with the place to go on from. */
const MOST_MS = 20_000;

export const logSearchQuerySchema = z.object({
  q: z.string().min(2).max(200),
  request: z.string().max(100).optional(),
  job: z.string().max(100).optional(),
  /** `next` of a search that has stopped early. */
  after: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
});
type SearchQuery = z.output<typeof logSearchQuerySchema>;

/**
 * Streams what a search through logs finds as server-sent events: `match`, `progress`, and `end` at the end.
 *
 * Throws `unknown-request`, `unknown-job`, `invalid-place` before anything is sent.
 */
export async function streamLogSearch(
  context: HttpContext,
  { request, response }: { readonly request: Request; readonly response: Response },
  query: SearchQuery,
): Promise<void> {
  const search = await checkedSearch(context, query);
  const life = lifetimeOf(response, context.stopping);
  try {
    beginStream(response, 'text/event-stream; charset=utf-8');
    if (request.method === 'HEAD') {
      return;
    }
    for await (const step of context.records.searchLogs(search, life.signal)) {
      if (life.signal.aborted) {
        return;
      }
      await writePiece(response, eventOf(step));
    }
  } finally {
    life.end();
    endStream(response);
  }
}

/** Throws `unknown-request`, `unknown-job`, `invalid-place`. */
export async function checkedSearch(
  context: HttpContext,
  { q, request, job, after, limit }: SearchQuery,
  maxMs = MOST_MS,
): Promise<LogQuery> {
  if (request !== undefined) {
    await requireRequest(context, request);
  }
  if (job !== undefined) {
    await requireJob(context, job);
  }
  return {
    text: q,
    maxMatches: limit,
    maxMs,
    ...(request === undefined ? {} : { requestId: request }),
    ...(job === undefined ? {} : { jobId: job }),
    ...(after === undefined ? {} : { after: parsePlace(after) }),
  };
}

export function formatPlace(place: LogPlace): string {
  return `${place.startedAt}.${place.jobId}.${place.attempt}`;
}

function parsePlace(text: string): LogPlace {
  const [, startedAt, jobId = '', attempt] =
    /^(\d{1,15})\.([A-Za-z0-9_-]{1,100})\.(\d{1,9})$/.exec(text) ?? [];
  if (startedAt === undefined) {
    throw new AppError(
      'invalid-place',
      `"${text}" is not where a search through logs has stopped.`,
    );
  }
  return { startedAt: Number(startedAt), jobId, attempt: Number(attempt) };
}

function eventOf(step: SearchStep): string {
  if (step.kind === 'match') {
    return event('match', step.match);
  }
  if (step.kind === 'progress') {
    return event('progress', { logs: step.logs, total: step.total });
  }
  const { kind, next, ...end } = step;
  return event(kind, { ...end, next: next === null ? null : formatPlace(next) });
}

function event(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
