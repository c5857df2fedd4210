import type { ServerResponse } from 'node:http';

/** How long somebody waits for an answer. */
export interface Lifetime {
  /** Aborts when the client has gone, the answer is complete, or the server stops. */
  readonly signal: AbortSignal;
  /** Detaches from the response and the server; to be called when the work is done. */
  readonly end: () => void;
}

export function lifetimeOf(response: ServerResponse, stopping?: AbortSignal): Lifetime {
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort();
  };
  response.once('close', abort);
  stopping?.addEventListener('abort', abort, { once: true });
  if (response.destroyed || stopping?.aborted === true) {
    abort();
  }
  return {
    signal: controller.signal,
    end: () => {
      response.off('close', abort);
      stopping?.removeEventListener('abort', abort);
    },
  };
}
