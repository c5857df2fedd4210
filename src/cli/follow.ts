import { type JobView, type RequestDetail, requestDetailSchema } from '../protocol/builds.ts';
import { type EventView, eventViewSchema } from '../protocol/journal.ts';
import { backoffDelay } from '../support/backoff.ts';
import { type Clock, sleep } from '../support/clock.ts';
import { AppError } from '../support/errors.ts';
import { parseServerEvents } from './event-stream.ts';
import { isTransient, parseJson, type ServerClient } from './server-client.ts';

/** What a follower needs besides its server. */
export interface FollowOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Told once when the connection is lost, with the reason. */
  readonly onLost?: (error: unknown) => void;
  /** Told once when it is there again. */
  readonly onBack?: () => void;
  readonly pace?: Pace;
}

export interface Pace {
  readonly initialMs: number;
  readonly maximumMs: number;
  /** How long a server may be away before its error is thrown. */
  readonly patienceMs: number;
}

const DEFAULT_PACE: Pace = { initialMs: 200, maximumMs: 5000, patienceMs: 15 * 60_000 };
const FINAL_REQUESTS = new Set(['done', 'partial', 'failed', 'cancelled']);
const FINAL_JOBS = new Set(['succeeded', 'failed', 'skipped', 'cancelled']);

export function isFinalRequest(request: { readonly state: string }): boolean {
  return FINAL_REQUESTS.has(request.state);
}

export function isFinalJob(job: { readonly state: string }): boolean {
  return FINAL_JOBS.has(job.state);
}

/**
 * Follows a request to its end over server-sent events, through restarts of the server. `onChange` gets the whole
 * request each time. Throws what the server refuses with, or its last error when it stays away for too long.
 */
export async function followRequest(
  client: ServerClient,
  id: string,
  options: FollowOptions & { readonly onChange: (request: RequestDetail) => void },
): Promise<RequestDetail> {
  return await throughRestarts(options, async (alive) => {
    const path = `/api/requests/${encodeURIComponent(id)}/events`;
    const bytes = await client.stream(path, {}, options.signal);
    alive();
    let last: RequestDetail | undefined;
    for await (const { event, data } of parseServerEvents(bytes)) {
      alive();
      if (event === 'end') {
        break;
      }
      if (data !== '') {
        last = parseJson(data, requestDetailSchema, path);
        options.onChange(last);
      }
    }
    const request =
      last !== undefined && isFinalRequest(last) ? last : await client.request(id, options.signal);
    if (!isFinalRequest(request)) {
      return undefined;
    }
    options.onChange(request);
    return request;
  });
}

/**
 * Follows the log of a job, attempt after attempt, until the job has ended. Each byte is told once, in order, also
 * when the connection breaks on the way: what comes next is asked for by offset.
 */
export async function followLog(
  client: ServerClient,
  jobId: string,
  options: FollowOptions & {
    readonly onBytes: (bytes: Uint8Array) => void;
    readonly onAttempt?: (attempt: number) => void;
  },
): Promise<JobView> {
  let attempt = 0;
  let offset = 0;
  const path = `/api/jobs/${encodeURIComponent(jobId)}/log`;
  const read = async (alive: () => void, follow: 1 | undefined): Promise<void> => {
    if (attempt === 0) {
      return;
    }
    const bytes = await client.stream(path, { attempt, offset, follow }, options.signal);
    alive();
    for await (const chunk of bytes) {
      alive();
      offset += chunk.byteLength;
      options.onBytes(chunk);
    }
  };
  return await throughRestarts(options, async (alive) => {
    const job = await client.job(jobId, options.signal);
    if (job.attempt !== attempt) {
      await read(alive, undefined);
      attempt = job.attempt;
      offset = 0;
      options.onAttempt?.(attempt);
    }
    await read(alive, isFinalJob(job) ? undefined : 1);
    return isFinalJob(job) ? job : undefined;
  });
}

/** Tells each event of the journal behind the number `after`, once and in order, until the signal aborts. */
export async function followJournal(
  client: ServerClient,
  options: FollowOptions & {
    readonly filter: Readonly<Record<string, string>>;
    readonly after: number;
    readonly onEvent: (event: EventView) => void;
  },
): Promise<never> {
  let { after } = options;
  const path = '/api/journal/stream';
  return await throughRestarts<never>(options, async (alive) => {
    const bytes = await client.stream(path, { ...options.filter, after }, options.signal);
    alive();
    for await (const { data } of parseServerEvents(bytes)) {
      alive();
      const event = parseJson(data, eventViewSchema, path);
      after = event.seq;
      options.onEvent(event);
    }
    return undefined;
  });
}

/**
 * Calls `turn` until it gives a result. `undefined` means that there is more to come; a transient failure is waited
 * out. Both wait, longer each time, until `alive` is called.
 */
export async function throughRestarts<T>(
  options: FollowOptions,
  turn: (alive: () => void) => Promise<T | undefined>,
): Promise<T> {
  const pace = options.pace ?? DEFAULT_PACE;
  let tries = 0;
  let lostAt: number | undefined;
  const alive = (): void => {
    tries = 0;
    if (lostAt !== undefined) {
      lostAt = undefined;
      options.onBack?.();
    }
  };
  for (;;) {
    try {
      const result = await turn(alive);
      if (result !== undefined) {
        return result;
      }
    } catch (error) {
      if (options.signal.aborted || !isTransient(error)) {
        throw error;
      }
      if (lostAt === undefined) {
        lostAt = options.clock.now();
        options.onLost?.(error);
      } else if (options.clock.now() - lostAt > pace.patienceMs) {
        throw error;
      }
    }
    await sleep(backoffDelay(pace, tries, Math.random), options.signal);
    tries += 1;
    if (options.signal.aborted) {
      throw new AppError('interrupted', 'Following was interrupted.');
    }
  }
}
