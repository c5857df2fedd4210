import type { Request, Response } from 'express';
import { FINAL_JOB_STATES } from '../../builds/request.ts';
import type { HttpContext } from '../context.ts';
import { lifetimeOf } from '../lifetime.ts';
import { Latch } from './latch.ts';
import { requireJob } from './lookups.ts';
import { beginStream, endStream, writePiece } from './streaming.ts';

const PIECE_BYTES = 256 * 1024;
/** The log is looked at this often when nobody says that it grew. */
const LOOK_AGAIN_MS = 5_000;

export interface LogQuery {
  readonly jobId: string;
  /** Absent: the last one; the first that has a log when there is none yet. */
  readonly attempt?: number | undefined;
  readonly offset: number;
  /** Stay until the attempt has ended. */
  readonly follow: boolean;
}

/** Streams the log of an attempt as text. Throws `unknown-job` before anything is sent. */
export async function streamJobLog(
  context: HttpContext,
  exchange: { readonly request: Request; readonly response: Response },
  query: LogQuery,
): Promise<void> {
  const { request, response } = exchange;
  await requireJob(context, query.jobId);
  const grown = new Latch();
  const life = lifetimeOf(response, context.stopping);
  const unfollow = context.builds.followLog(query.jobId, () => {
    grown.set();
  });
  try {
    beginStream(response, 'text/plain; charset=utf-8');
    if (request.method === 'HEAD') {
      return;
    }
    let { attempt, offset } = query;
    let isLastLook = !query.follow;
    while (!life.signal.aborted) {
      const log = await context.builds.readLog(query.jobId, {
        offset,
        maxBytes: PIECE_BYTES,
        ...(attempt === undefined ? {} : { attempt }),
      });
      if (log.bytes.length > 0) {
        attempt = log.attempt;
        offset += log.bytes.length;
        await writePiece(response, log.bytes);
      } else if (isLastLook) {
        break;
      } else if (await hasEnded(context, query.jobId, attempt, log.isComplete)) {
        isLastLook = true;
      } else {
        await grown.wait(LOOK_AGAIN_MS, life.signal);
      }
    }
  } finally {
    unfollow();
    life.end();
    endStream(response);
  }
}

async function hasEnded(
  context: HttpContext,
  jobId: string,
  attempt: number | undefined,
  isComplete: boolean,
): Promise<boolean> {
  if (attempt !== undefined && isComplete) {
    return true;
  }
  const job = await requireJob(context, jobId);
  return FINAL_JOB_STATES.includes(job.state);
}
