import type { Request, Response } from 'express';
import { sleep } from '../../support/clock.ts';
import { AppError } from '../../support/errors.ts';
import type { HttpContext } from '../context.ts';
import { lifetimeOf } from '../lifetime.ts';
import { checkView } from './check-view.ts';
import { Latch } from './latch.ts';
import { beginStream, endStream, writePiece } from './streaming.ts';

const KEEP_ALIVE_MS = 15_000;
/** A check steps on many times a second: it is told at most this often. */
const PAUSE_MS = 250;

/**
 * Streams the check of the repository as server-sent events: as it is now and after each step, `event: end` after its
 * end. Throws `check-not-running` before anything is sent when there is none to tell of.
 */
export async function streamCheck(
  context: Pick<HttpContext, 'check' | 'stopping'>,
  { request, response }: { readonly request: Request; readonly response: Response },
): Promise<void> {
  const { check, stopping } = context;
  if (check.state() === undefined) {
    throw new AppError('check-not-running', 'No check of the repository is under way.');
  }
  const changed = new Latch();
  const unlisten = check.listen(() => {
    changed.set();
  });
  const life = lifetimeOf(response, stopping);
  try {
    beginStream(response, 'text/event-stream; charset=utf-8');
    let sent = '';
    while (request.method !== 'HEAD' && !life.signal.aborted) {
      const state = check.state();
      const text = state === undefined ? '' : JSON.stringify(checkView(state));
      await writePiece(response, text === sent ? ': still here\n\n' : `data: ${text}\n\n`);
      sent = text;
      if (state?.state !== 'running') {
        await writePiece(response, 'event: end\ndata: {}\n\n');
        return;
      }
      await sleep(PAUSE_MS, life.signal);
      await changed.wait(KEEP_ALIVE_MS, life.signal);
    }
  } finally {
    unlisten();
    life.end();
    endStream(response);
  }
}
