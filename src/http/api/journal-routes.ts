import type { Request, Response } from 'express';
import type { z } from 'zod';
import type { Event } from '../../journal/event.ts';
import {
  journalQuerySchema,
  journalStreamQuerySchema,
  journalViewSchema,
} from '../../protocol/journal.ts';
import type { HttpContext } from '../context.ts';
import { lifetimeOf } from '../lifetime.ts';
import { Latch } from './latch.ts';
import { NO_BODY, openRoute, type Route } from './route.ts';
import { beginStream, endStream, writePiece } from './streaming.ts';

const KEEP_ALIVE_MS = 15_000;
const AT_ONCE = 500;

export function journalRoutes(context: HttpContext): readonly Route[] {
  return [
    openRoute({
      method: 'get',
      path: '/api/journal',
      summary: 'What happened: who did what, when and why',
      query: journalQuerySchema,
      body: NO_BODY,
      replies: { 200: journalViewSchema },
      handle: async ({ query }) => {
        const events = await context.journal.find(query);
        return { status: 200, json: { events } };
      },
    }),
    openRoute({
      method: 'get',
      path: '/api/journal/stream',
      summary: 'What happens, as server-sent events',
      query: journalStreamQuerySchema,
      body: NO_BODY,
      replies: { 200: 'text/event-stream' },
      handle: async ({ request, response, query }) => {
        await streamJournal(context, { request, response }, query);
        return undefined;
      },
    }),
  ];
}

/** Tells every event behind the last one told, out of the database: none is lost between two looks. */
export async function streamJournal(
  { journal, stopping }: Pick<HttpContext, 'journal' | 'stopping'>,
  { request, response }: { readonly request: Request; readonly response: Response },
  query: z.output<typeof journalStreamQuerySchema>,
  keepAliveMs = KEEP_ALIVE_MS,
): Promise<void> {
  const changed = new Latch();
  const unlisten = journal.listen(() => {
    changed.set();
  });
  const life = lifetimeOf(response, stopping);
  try {
    let last = lastSeen(request) ?? query.after ?? (await journal.latest(1))[0]?.seq ?? 0;
    beginStream(response, 'text/event-stream; charset=utf-8');
    while (request.method !== 'HEAD' && !life.signal.aborted) {
      const events = await journal.find({ ...query, after: last, limit: AT_ONCE });
      for (const event of events) {
        await writePiece(response, piece(event));
        last = event.seq;
      }
      if (events.length === 0 && !(await changed.wait(keepAliveMs, life.signal))) {
        await writePiece(response, ': still here\n\n');
      }
    }
  } finally {
    unlisten();
    life.end();
    endStream(response);
  }
}

function piece(event: Event): string {
  return `id: ${event.seq}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** The number of the last event that a client which comes back says it has. */
export function lastSeen(request: Request): number | undefined {
  const text = request.get('last-event-id') ?? '';
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}
