import type { Request, Response } from 'express';
import { FINAL_JOB_STATES } from '../../builds/request.ts';
import { plainText } from '../../support/terminal-text.ts';
import type { HttpContext } from '../context.ts';
import { lifetimeOf } from '../lifetime.ts';
import { Latch } from './latch.ts';
import { requireJob } from './lookups.ts';
import { beginStream, endStream, writePiece } from './streaming.ts';

const PIECE_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
/** The log is looked at this often when nobody says that it grew, and a comment goes out. */
const LOOK_AGAIN_MS = 5_000;

interface Place {
  attempt: number;
  offset: number;
}

/**
 * Streams the log of a job as server-sent events: whole lines of plain text, attempt after attempt, until the job has
 * ended. The id of an event is where the next one begins, so that a browser that lost its connection goes on there.
 *
 * Throws `unknown-job` before anything is sent.
 */
export async function streamLogEvents(
  context: HttpContext,
  exchange: { readonly request: Request; readonly response: Response },
  query: { readonly jobId: string; readonly attempt?: number | undefined; readonly offset: number },
): Promise<void> {
  const { request, response } = exchange;
  const { jobId } = query;
  const job = await requireJob(context, jobId);
  const place = resumed(request) ?? { attempt: query.attempt ?? job.attempt, offset: query.offset };
  const grown = new Latch();
  const life = lifetimeOf(response, context.stopping);
  const unfollow = context.builds.followLog(jobId, () => {
    grown.set();
  });
  try {
    beginStream(response, 'text/event-stream; charset=utf-8');
    while (request.method !== 'HEAD' && !life.signal.aborted) {
      const step = await sendNext(context, { response, jobId, place });
      if (step === 'over') {
        break;
      }
      if (step === 'nothing-yet' && !(await grown.wait(LOOK_AGAIN_MS, life.signal))) {
        await writePiece(response, ': still here\n\n');
      }
    }
  } finally {
    unfollow();
    life.end();
    endStream(response);
  }
}

/** Where a browser says that it has lost the connection. */
function resumed(request: Request): Place | undefined {
  const [, attempt, offset] =
    /^(\d{1,9}):(\d{1,15})$/.exec(request.get('Last-Event-ID') ?? '') ?? [];
  return attempt === undefined || offset === undefined
    ? undefined
    : { attempt: Number(attempt), offset: Number(offset) };
}

async function sendNext(
  { builds }: Pick<HttpContext, 'builds'>,
  stream: { readonly response: Response; readonly jobId: string; readonly place: Place },
): Promise<'sent' | 'nothing-yet' | 'over'> {
  const { response, jobId, place } = stream;
  const log = await builds.readLog(jobId, {
    offset: place.offset,
    maxBytes: PIECE_BYTES,
    ...(place.attempt === 0 ? {} : { attempt: place.attempt }),
  });
  const bytes = log.isComplete ? log.bytes : wholeLines(log.bytes);
  if (bytes.length > 0) {
    place.attempt = log.attempt;
    place.offset += bytes.length;
    await send(response, place, plainText(bytes.toString('utf8')));
    return 'sent';
  }
  const job = await builds.findJob(jobId);
  if (job !== undefined && job.attempt > place.attempt) {
    place.attempt = job.attempt;
    place.offset = 0;
    await send(response, place, `\n--- try ${job.attempt} ---\n`);
    return 'sent';
  }
  if (job === undefined || (log.isComplete && FINAL_JOB_STATES.includes(job.state))) {
    const data = JSON.stringify({ state: job?.state ?? 'gone' });
    await writePiece(response, `event: end\ndata: ${data}\n\n`);
    return 'over';
  }
  return 'nothing-yet';
}

/** A line that is still being written is waited for, unless it is longer than a piece. */
function wholeLines(bytes: Buffer): Buffer {
  const end = bytes.lastIndexOf(NEWLINE) + 1;
  return end === 0 && bytes.length === PIECE_BYTES ? bytes : bytes.subarray(0, end);
}

async function send(response: Response, { attempt, offset }: Place, text: string): Promise<void> {
  const data = JSON.stringify({ attempt, text });
  await writePiece(response, `id: ${attempt}:${offset}\ndata: ${data}\n\n`);
}
