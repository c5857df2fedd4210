import type { Request, Response } from 'express';
import { runningAttempts } from '../../builds/read-timeline.ts';
import { FINAL_REQUEST_STATES } from '../../builds/request.ts';
import type { Event } from '../../journal/event.ts';
import type { RequestDetail } from '../../protocol/builds.ts';
import { sleep } from '../../support/clock.ts';
import type { HttpContext } from '../context.ts';
import { lifetimeOf } from '../lifetime.ts';
import { Latch } from './latch.ts';
import { requestDetail } from './request-detail.ts';
import { beginStream, endStream, writePiece } from './streaming.ts';

/** A comment goes out this often when nothing changes, and the state is looked at again. */
const KEEP_ALIVE_MS = 15_000;
/** How far the builds are is looked at this often. */
const LOOK_MS = 2_000;
/** Changes that come in a burst are told together: at most two events a second. */
const PAUSE_MS = 500;

/**
 * Streams a request as server-sent events: the whole request now and after each change, `event: end` after its
 * final state. Ends without that event when the server stops; clients come back by themselves.
 *
 * Throws `unknown-request` before anything is sent.
 */
export async function streamRequestEvents(
  context: HttpContext,
  exchange: { readonly request: Request; readonly response: Response; readonly id: string },
  keepAliveMs = KEEP_ALIVE_MS,
): Promise<void> {
  const { request, response, id } = exchange;
  const changed = new Latch();
  let known: RequestDetail | undefined;
  const unlisten = context.journal.listen((event) => {
    if (concerns(event, id, known)) {
      changed.set();
    }
  });
  const life = lifetimeOf(response, context.stopping);
  try {
    known = await requestDetail(context, id);
    beginStream(response, 'text/event-stream; charset=utf-8');
    if (request.method === 'HEAD') {
      return;
    }
    let sent = '';
    let wasQuiet = false;
    while (!life.signal.aborted) {
      const text = JSON.stringify(known);
      if (text !== sent) {
        await writePiece(response, `data: ${text}\n\n`);
        sent = text;
      } else if (wasQuiet) {
        await writePiece(response, ': still here\n\n');
      }
      if (FINAL_REQUEST_STATES.includes(known.state)) {
        await writePiece(response, 'event: end\ndata: {}\n\n');
        break;
      }
      await sleep(PAUSE_MS, life.signal);
      wasQuiet = !(await waitForNews(context, { changed, known }, keepAliveMs, life.signal));
      known = await requestDetail(context, id);
    }
  } finally {
    unlisten();
    life.end();
    endStream(response);
  }
}

/** Until something has changed or a build is further than it was; whether it did within `keepAliveMs`. */
async function waitForNews(
  { records }: Pick<HttpContext, 'records'>,
  { changed, known }: { readonly changed: Latch; readonly known: RequestDetail },
  keepAliveMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const attempts = runningAttempts(known.jobs);
  const before = new Map(known.jobs.map(({ id, progress }) => [id, JSON.stringify(progress)]));
  for (let left = keepAliveMs; left > 0 && !signal.aborted; left -= LOOK_MS) {
    if (await changed.wait(Math.min(left, LOOK_MS), signal)) {
      return true;
    }
    for (const [id, progress] of await records.progress(attempts)) {
      if (before.get(id) !== JSON.stringify(progress)) {
        return true;
      }
    }
  }
  return false;
}

function concerns(event: Event, id: string, known: RequestDetail | undefined): boolean {
  if (event.subject === `request:${id}` || event.data['requestId'] === id) {
    return true;
  }
  return known?.jobs.some((job) => event.subject === `job:${job.id}`) ?? true;
}
