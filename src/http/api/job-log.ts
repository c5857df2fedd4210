import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Request, Response } from 'express';
import { FINAL_JOB_STATES } from '../../builds/request.ts';
import type { HttpContext } from '../context.ts';
import { lifetimeOf } from '../lifetime.ts';
import { Latch } from './latch.ts';
import { requireJob } from './lookups.ts';
import { beginStream, endStream, writePiece } from './streaming.ts';

/** Fast: the text goes out once. */
const GZIP_LEVEL = 1;
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

/**
 * Streams the log of an attempt as text. A whole log that has been packed goes out packed to those who take that:
 * as it lies on the disk (zstd), or else as gzip.
 *
 * Throws `unknown-job` before anything is sent.
 */
export async function streamJobLog(
  context: HttpContext,
  exchange: { readonly request: Request; readonly response: Response },
  query: LogQuery,
): Promise<void> {
  const { request, response } = exchange;
  const job = await requireJob(context, query.jobId);
  response.vary('Accept-Encoding');
  if (await sendPacked(context, exchange, { ...query, attempt: query.attempt ?? job.attempt })) {
    return;
  }
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

/** False when the log cannot or is not wanted to go out packed, and nothing was sent. */
async function sendPacked(
  context: HttpContext,
  { request, response }: { readonly request: Request; readonly response: Response },
  { jobId, attempt, offset, follow }: LogQuery & { readonly attempt: number },
): Promise<boolean> {
  const takesZstd = request.acceptsEncodings('zstd') !== false;
  const takesGzip = request.acceptsEncodings('gzip') !== false;
  if (offset > 0 || request.method === 'HEAD' || !(takesZstd || takesGzip)) {
    return false;
  }
  const packed = takesZstd ? await context.records.openPackedLog({ jobId, attempt }) : undefined;
  if (packed !== undefined) {
    response.set({ 'Content-Encoding': 'zstd', 'Content-Length': `${packed.size}` });
    beginStream(response, 'text/plain; charset=utf-8');
    await pipeline(packed.stream, response);
    return true;
  }
  if (follow || !takesGzip) {
    return false;
  }
  response.set('Content-Encoding', 'gzip');
  beginStream(response, 'text/plain; charset=utf-8');
  const pieces = Readable.from(piecesOf(context, { jobId, attempt }));
  await pipeline(pieces, createGzip({ level: GZIP_LEVEL }), response);
  return true;
}

async function* piecesOf(
  { builds }: Pick<HttpContext, 'builds'>,
  { jobId, attempt }: { readonly jobId: string; readonly attempt: number },
): AsyncGenerator<Buffer> {
  for (let offset = 0; ; ) {
    const { bytes } = await builds.readLog(jobId, {
      offset,
      maxBytes: PIECE_BYTES,
      ...(attempt === 0 ? {} : { attempt }),
    });
    if (bytes.length === 0) {
      return;
    }
    yield bytes;
    offset += bytes.length;
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
