import type { Request, Response } from 'express';
import { sleep } from '../../support/clock.ts';
import { lifetimeOf } from '../lifetime.ts';
import { Latch } from './latch.ts';
import { beginStream, endStream, writePiece } from './streaming.ts';

const KEEP_ALIVE_MS = 15_000;
/** Work steps on many times a second: it is told at most this often. */
const PAUSE_MS = 250;

/** Work in the background that tells of its steps. */
export interface Watched<State> {
  state(): State | undefined;
  listen(listener: () => void): () => void;
}

/**
 * Streams work in the background as server-sent events: as it is now and after each step, `event: end` after its
 * end.
 */
export async function streamTask<State extends { readonly state: string }>(
  task: Watched<State>,
  {
    request,
    response,
    stopping,
    view,
  }: {
    readonly request: Request;
    readonly response: Response;
    readonly stopping: AbortSignal;
    readonly view: (state: State) => object;
  },
): Promise<void> {
  const changed = new Latch();
  const unlisten = task.listen(() => {
    changed.set();
  });
  const life = lifetimeOf(response, stopping);
  try {
    beginStream(response, 'text/event-stream; charset=utf-8');
    let sent = '';
    while (request.method !== 'HEAD' && !life.signal.aborted) {
      const state = task.state();
      const text = state === undefined ? '' : JSON.stringify(view(state));
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
