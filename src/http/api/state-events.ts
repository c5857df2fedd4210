import type { Request, Response } from 'express';
import { sleep } from '../../support/clock.ts';
import { lifetimeOf } from '../lifetime.ts';
import { Latch } from './latch.ts';
import { beginStream, endStream, writePiece } from './streaming.ts';

const KEEP_ALIVE_MS = 15_000;
/** Work in the background steps on many times a second: it is told at most this often. */
const PAUSE_MS = 250;

/** Something that goes on in the background. */
export interface ChangingState {
  /** Calls the listener at each change from now on. The returned function ends it. */
  listen(listener: () => void): () => void;
  /** What is told of it, as JSON, and whether nothing more will come. */
  read(): { readonly json: string; readonly isOver: boolean };
}

/** Streams it as server-sent events: as it is now and after each change, `event: end` after its end. */
export async function streamState(
  state: ChangingState,
  {
    request,
    response,
    stopping,
  }: { readonly request: Request; readonly response: Response; readonly stopping: AbortSignal },
): Promise<void> {
  const changed = new Latch();
  const unlisten = state.listen(() => {
    changed.set();
  });
  const life = lifetimeOf(response, stopping);
  try {
    beginStream(response, 'text/event-stream; charset=utf-8');
    let sent = '';
    while (request.method !== 'HEAD' && !life.signal.aborted) {
      const { json, isOver } = state.read();
      await writePiece(response, json === sent ? ': still here\n\n' : `data: ${json}\n\n`);
      sent = json;
      if (isOver) {
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

/** Work in the background that tells of its steps. */
export interface Watched<State> {
  state(): State | undefined;
  listen(listener: () => void): () => void;
}

/** Streams a task as `streamState` does, until it is not running any more. */
export async function streamTask<State extends { readonly state: string }>(
  task: Watched<State>,
  {
    view,
    ...exchange
  }: {
    readonly request: Request;
    readonly response: Response;
    readonly stopping: AbortSignal;
    readonly view: (state: State) => object;
  },
): Promise<void> {
  const changing: ChangingState = {
    listen: (listener) => task.listen(listener),
    read: () => {
      const state = task.state();
      return {
        json: state === undefined ? '' : JSON.stringify(view(state)),
        isOver: state?.state !== 'running',
      };
    },
  };
  await streamState(changing, exchange);
}
