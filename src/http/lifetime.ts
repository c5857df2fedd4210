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
  const others = stopping === undefined ? undefined : waitingOn(stopping);
  others?.add(abort);
  if (response.destroyed || stopping?.aborted === true) {
    abort();
  }
  return {
    signal: controller.signal,
    end: () => {
      response.off('close', abort);
      others?.delete(abort);
    },
  };
}

const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** Who is called when the signal aborts. A signal looks through all of its listeners for each that comes or goes. */
function waitingOn(signal: AbortSignal): Set<() => void> {
  const known = waiting.get(signal);
  if (known !== undefined) {
    return known;
  }
  const made = new Set<() => void>();
  waiting.set(signal, made);
  signal.addEventListener(
    'abort',
    () => {
      for (const abort of made) {
        abort();
      }
    },
    { once: true },
  );
  return made;
}
