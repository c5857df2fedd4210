import { sleep } from '../support/clock.ts';
import { type AppError, isAppError, isErrno, messageOf } from '../support/errors.ts';
import type { Attempt, ServerConnection } from './server-connection.ts';

/** How an attempt stands. Only `running` may become something else; who comes first decides. */
export type Ending =
  | { readonly kind: 'running' }
  | { readonly kind: 'failed'; readonly code: string; readonly reason: string }
  | { readonly kind: 'cancelled' }
  /** The job is another agent's, or nobody's: nothing more is to be said about it. */
  | { readonly kind: 'lost'; readonly reason: string }
  | { readonly kind: 'stopping' }
  /** The server does not let this agent in any more. */
  | { readonly kind: 'refused'; readonly error: AppError };

/** The longest that a server holds a heartbeat open. */
const LONGEST_WAIT_MS = 60_000;
/** Between two heartbeats. */
const SHORTEST_PAUSE_MS = 10;

const LOST_CODES = ['stale-attempt', 'unknown-job', 'unknown-agent'];

const SYSTEM_CODES: readonly (readonly [name: string, code: string])[] = [
  ['ENOSPC', 'disk-full'],
  ['EDQUOT', 'disk-full'],
  ['ENOMEM', 'out-of-memory'],
];

/** Knows whether an attempt may go on, tells its work through `signal`, and keeps the lease alive. */
export class JobWatch {
  readonly #connection: ServerConnection;
  readonly #attempt: Attempt;
  readonly #heartbeatMs: number;
  readonly #stop = new AbortController();
  readonly #silence = new AbortController();
  readonly #ended = new AbortController();
  readonly #onAgentStop: () => void;
  readonly #agentSignal: AbortSignal;
  #ending: Ending = { kind: 'running' };

  constructor(options: {
    readonly connection: ServerConnection;
    readonly attempt: Attempt;
    readonly heartbeatMs: number;
    readonly signal: AbortSignal;
  }) {
    this.#connection = options.connection;
    this.#attempt = options.attempt;
    this.#heartbeatMs = options.heartbeatMs;
    this.#agentSignal = options.signal;
    this.#onAgentStop = () => {
      this.#become({ kind: 'stopping' });
    };
    this.#agentSignal.addEventListener('abort', this.#onAgentStop, { once: true });
    if (this.#agentSignal.aborted) {
      this.#onAgentStop();
    }
  }

  get ending(): Ending {
    return this.#ending;
  }

  /** Aborts as soon as the attempt is not `running` any more. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborts when not even a word about the attempt is to be said any more. */
  get silence(): AbortSignal {
    return this.#silence.signal;
  }

  /** Does a part of the job, unless there is silence; what it throws decides how the job ends. */
  async settle(part: () => Promise<void>): Promise<void> {
    if (this.silence.aborted) {
      return;
    }
    try {
      await part();
    } catch (error) {
      this.#become(endingOf(error));
    }
  }

  /** Runs something beside the job until `end`; what it throws ends the job. */
  async guard(work: (ended: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await work(this.#ended.signal);
    } catch (error) {
      if (!this.#ended.signal.aborted) {
        this.#become(endingOf(error));
      }
    }
  }

  /** Heartbeats until `ended`: one after the other, each held open by the server until it has something to tell. */
  async beat(ended: AbortSignal): Promise<void> {
    const over = AbortSignal.any([ended, this.silence]);
    while (!over.aborted) {
      const begun = performance.now();
      const isRunning = this.#ending.kind === 'running';
      const waitMs = isRunning ? Math.min(this.#heartbeatMs, LONGEST_WAIT_MS) : 0;
      if ((await this.#connection.heartbeat(this.#attempt, waitMs, over)) === 'cancel') {
        this.#become({ kind: 'cancelled' });
      }
      await sleep(Math.max(SHORTEST_PAUSE_MS, begun + this.#heartbeatMs - performance.now()), over);
    }
  }

  /** What `guard` runs is over. */
  end(): void {
    this.#ended.abort();
  }

  /** Nothing more is to be done about the job. */
  close(): void {
    this.end();
    this.#agentSignal.removeEventListener('abort', this.#onAgentStop);
  }

  #become(ending: Ending): void {
    if (this.#ending.kind === 'running' || isGraver(ending, this.#ending)) {
      this.#ending = ending;
      this.#stop.abort();
      if (ending.kind !== 'failed' && ending.kind !== 'cancelled') {
        this.#silence.abort();
      }
    }
  }
}

/** A failed or cancelled job can still turn out to be another's. */
function isGraver(next: Ending, present: Ending): boolean {
  const isOver = present.kind === 'failed' || present.kind === 'cancelled';
  return isOver && (next.kind === 'lost' || next.kind === 'refused' || next.kind === 'stopping');
}

function endingOf(error: unknown): Ending {
  if (isAppError(error, 'agent-refused')) {
    return { kind: 'refused', error };
  }
  if (isAppError(error) && LOST_CODES.includes(error.code)) {
    return { kind: 'lost', reason: error.message };
  }
  return { kind: 'failed', code: failureCode(error), reason: messageOf(error) };
}

/** What is no error of Rookery's is one of this machine. */
export function failureCode(error: unknown): string {
  if (isAppError(error)) {
    return error.code;
  }
  return SYSTEM_CODES.find(([name]) => isErrno(error, name))?.[1] ?? 'agent-error';
}
