import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { z } from 'zod';
import {
  type AgentDescriptionMessage,
  heartbeatReplySchema,
  type IdleMessage,
  type LeaseMessage,
  type LogReply,
  leaseReplySchema,
  logReplySchema,
  planReplySchema,
  type portagePlanSchema,
  type Registration,
  type ResultMessage,
  registrationSchema,
  treeReplySchema,
} from '../protocol/agents.ts';
import { problemSchema } from '../protocol/common.ts';
import { type PackageView, packageViewSchema } from '../protocol/packages.ts';
import { type Backoff, retry } from '../support/backoff.ts';
import { AppError, isAppError, messageOf } from '../support/errors.ts';
import type { Log } from '../support/log.ts';

const BACKOFF: Backoff = { initialMs: 250, maximumMs: 15_000 };
const ANSWER_MS = 60_000;
const MAXIMUM_ANSWER_BYTES = 64 * 1024 * 1024;
/** Codes of errors that another try may heal; they never leave this file. */
const TRANSIENT = 'server-unreachable';
const PASSING_STATUS = new Set([408, 425, 429]);

/** Which job, and which try at it. */
export interface Attempt {
  readonly jobId: string;
  readonly attempt: number;
}

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Made anew for every try. */
  readonly body?: () => {
    readonly content: Uint8Array | Readable | string;
    readonly type: string;
    readonly size?: number;
  };
  /** How long the call may take as a whole; undefined for as long as bytes flow. */
  readonly answerMs?: number;
}

/**
 * The agent's calls (`src/protocol/agents.ts`), one method each.
 *
 * A server that is away, or answers 5xx, is asked again with growing pauses until the signal aborts. Throws
 * AppError with the server's own code for any other refusal: `stale-attempt` means that the work is to be
 * dropped, `agent-refused` that the token is not (or no longer) good for an agent.
 */
export class ServerConnection {
  readonly #server: string;
  readonly #token: string;
  readonly #agent: string;
  readonly #log: Log;

  constructor(options: {
    readonly server: string;
    readonly token: string;
    readonly agent: string;
    readonly log: Log;
  }) {
    this.#server = options.server.replace(/\/+$/, '');
    this.#token = options.token;
    this.#agent = options.agent;
    this.#log = options.log;
  }

  async register(description: AgentDescriptionMessage, signal: AbortSignal): Promise<Registration> {
    const call: Call = { method: 'POST', path: '/register', body: json(description) };
    return await this.#ask(call, registrationSchema, signal);
  }

  /** Waits up to `waitMs` for work that fits on a disk with so much left. */
  async lease(
    waitMs: number,
    diskFreeBytes: number,
    signal: AbortSignal,
  ): Promise<LeaseMessage | IdleMessage | undefined> {
    const call: Call = {
      method: 'POST',
      path: '/lease',
      body: json({ agent: this.#agent, waitMs, diskFreeBytes }),
      answerMs: waitMs + ANSWER_MS,
    };
    return await this.#retrying(signal, async () => {
      const response = await this.#send(call, signal);
      return response.status === 204 ? undefined : await readJson(response, leaseReplySchema);
    });
  }

  /** Waits up to `waitMs` for something to be told. */
  async heartbeat(
    attempt: Attempt,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<'go-on' | 'cancel'> {
    const call: Call = {
      ...this.#jobCall(attempt, 'POST', 'heartbeat', { wait: String(waitMs) }),
      answerMs: waitMs + ANSWER_MS,
    };
    return (await this.#ask(call, heartbeatReplySchema, signal)).command;
  }

  /** Appends to the job's log; the answer has the size that the server has now. */
  async appendLog(
    attempt: Attempt,
    offset: number,
    bytes: Uint8Array,
    signal: AbortSignal,
  ): Promise<LogReply> {
    const call: Call = {
      ...this.#jobCall(attempt, 'POST', 'log', { offset: String(offset) }),
      body: () => ({ content: bytes, type: 'application/octet-stream' }),
    };
    return await this.#ask(call, logReplySchema, signal);
  }

  /** `category/pn:slot` of what is to be planned anew, from ebuilds. */
  async sendPlan(
    attempt: Attempt,
    plan: z.infer<typeof portagePlanSchema>,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const call: Call = { ...this.#jobCall(attempt, 'POST', 'plan'), body: json(plan) };
    return await this.#retrying(signal, async () => {
      const response = await this.#send({ answerMs: ANSWER_MS, ...call }, signal);
      // An older server takes every plan as it is.
      return response.status === 204 ? [] : (await readJson(response, planReplySchema)).rebuild;
    });
  }

  async sendResult(attempt: Attempt, result: ResultMessage, signal: AbortSignal): Promise<void> {
    await this.#tell({ ...this.#jobCall(attempt, 'POST', 'result'), body: json(result) }, signal);
  }

  /** Uploads a package file from disk; repeated from its first byte when it breaks off. */
  async uploadPackage(
    attempt: Attempt,
    file: { readonly path: string; readonly sha512: string },
    signal: AbortSignal,
  ): Promise<PackageView> {
    const call = await this.#upload(attempt, 'package', file);
    return await this.#retrying(signal, async () =>
      readJson(await this.#send(call, signal), packageViewSchema),
    );
  }

  /** As `uploadPackage`, for a packed PHP tree. */
  async uploadTree(
    attempt: Attempt,
    file: { readonly path: string; readonly sha512: string },
    signal: AbortSignal,
  ): Promise<{ readonly tree: string }> {
    const call = await this.#upload(attempt, 'tree', file);
    return await this.#retrying(signal, async () =>
      readJson(await this.#send(call, signal), treeReplySchema),
    );
  }

  async #upload(
    attempt: Attempt,
    what: string,
    file: { readonly path: string; readonly sha512: string },
  ): Promise<Call> {
    const { size } = await stat(file.path);
    return {
      ...this.#jobCall(attempt, 'PUT', what, { sha512: file.sha512 }),
      body: () => ({
        content: createReadStream(file.path),
        type: 'application/octet-stream',
        size,
      }),
    };
  }

  /** Hands the packed source of a job to `receive`, which is called again, from the start, when it breaks off. */
  async readSource<T>(
    attempt: Attempt,
    signal: AbortSignal,
    receive: (bytes: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<T> {
    return await this.#download(this.#jobCall(attempt, 'GET', 'source'), signal, receive);
  }

  /** As `readSource`, for a public file of the server such as `/staging/x/Packages`. */
  async readFile<T>(
    path: string,
    signal: AbortSignal,
    receive: (bytes: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<T> {
    return await this.#download({ method: 'GET', path }, signal, receive);
  }

  async #download<T>(
    call: Call,
    signal: AbortSignal,
    receive: (bytes: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<T> {
    return await this.#retrying(signal, async () => {
      const response = await this.#send(call, signal);
      return await receive(transientBytes(response));
    });
  }

  #jobCall(
    attempt: Attempt,
    method: Call['method'],
    what: string,
    query: Record<string, string> = {},
  ): Call {
    return {
      method,
      path: `/jobs/${encodeURIComponent(attempt.jobId)}/${what}`,
      query: { agent: this.#agent, attempt: String(attempt.attempt), ...query },
    };
  }

  async #ask<T>(call: Call, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    return await this.#retrying(signal, async () =>
      readJson(await this.#send({ answerMs: ANSWER_MS, ...call }, signal), schema),
    );
  }

  async #tell(call: Call, signal: AbortSignal): Promise<void> {
    await this.#retrying(signal, async () => {
      await (await this.#send({ answerMs: ANSWER_MS, ...call }, signal)).body?.cancel();
    });
  }

  async #retrying<T>(signal: AbortSignal, action: () => Promise<T>): Promise<T> {
    try {
      return await retry(action, {
        backoff: BACKOFF,
        signal,
        isTransient: (error) => isAppError(error, TRANSIENT) && !signal.aborted,
        onRetry: (error, waitMs) => {
          this.#log.warn({ server: this.#server, reason: messageOf(error), waitMs }, 'server away');
        },
      });
    } catch (error) {
      if (isAppError(error, TRANSIENT)) {
        throw new AppError('call-given-up', `A call was given up: ${error.message}`, {
          cause: error,
        });
      }
      throw error;
    }
  }

  /** One try. The answer is 2xx. */
  async #send(call: Call, signal: AbortSignal): Promise<Response> {
    const url = new URL(
      this.#server + (call.path.startsWith('/staging/') ? '' : '/api/agent') + call.path,
    );
    url.search = new URLSearchParams(call.query).toString();
    const body = call.body?.();
    const headers: Record<string, string> = { authorization: `Bearer ${this.#token}` };
    if (body !== undefined) {
      headers['content-type'] = body.type;
    }
    if (body?.size !== undefined) {
      headers['content-length'] = String(body.size);
    }
    const patience =
      call.answerMs === undefined
        ? signal
        : AbortSignal.any([signal, AbortSignal.timeout(call.answerMs)]);
    const response = await reach(url, {
      method: call.method,
      headers,
      signal: patience,
      redirect: 'error',
      ...(body === undefined ? {} : { body: body.content, duplex: 'half' }),
    });
    if (response.ok) {
      return response;
    }
    throw await refusal(response, `${call.method} ${url.pathname}`);
  }
}

function json(message: unknown): NonNullable<Call['body']> {
  const content = JSON.stringify(message);
  return () => ({ content, type: 'application/json' });
}

async function reach(url: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    throw unreachable(url.origin, error);
  }
}

function unreachable(what: string, error: unknown): AppError {
  const cause =
    typeof error === 'object' && error !== null && 'cause' in error && error.cause !== undefined
      ? `: ${messageOf(error.cause)}`
      : '';
  return new AppError(TRANSIENT, `${what} cannot be reached: ${messageOf(error)}${cause}`, {
    cause: error,
  });
}

async function* transientBytes(response: Response): AsyncGenerator<Uint8Array> {
  if (response.body === null) {
    return;
  }
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader();
  try {
    for (;;) {
      const piece = await nextPiece(reader, response.url);
      if (piece === undefined) {
        return;
      }
      yield piece;
    }
  } finally {
    await reader.cancel();
  }
}

async function nextPiece(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  url: string,
): Promise<Uint8Array | undefined> {
  try {
    return (await reader.read()).value;
  } catch (error) {
    throw unreachable(url, error);
  }
}

async function readBounded(response: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of transientBytes(response)) {
    size += piece.byteLength;
    if (size > MAXIMUM_ANSWER_BYTES) {
      throw new AppError('answer-too-large', `The answer of ${response.url} is too large.`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

async function readJson<T>(response: Response, schema: z.ZodType<T>): Promise<T> {
  const text = await readBounded(response);
  const parsed = schema.safeParse(parseJson(text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new AppError(
      'answer-not-understood',
      `The server answered ${response.url} with something else than agreed: ${issue?.path.join('.')}: ${issue?.message}`,
    );
  }
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function refusal(response: Response, what: string): Promise<AppError> {
  const { status } = response;
  const parsed = problemSchema.safeParse(parseJson(await readBounded(response)));
  const said = parsed.success ? parsed.data.title : `status ${status}`;
  if (status >= 500 || PASSING_STATUS.has(status)) {
    return new AppError(TRANSIENT, `${what}: ${said}`);
  }
  if (status === 401 || status === 403) {
    return new AppError(
      'agent-refused',
      `The server refuses this agent (${status}): ${said} Give it a valid token of the role builder.`,
      { details: { status } },
    );
  }
  return parsed.success
    ? new AppError(parsed.data.code, parsed.data.title, { details: parsed.data.details ?? {} })
    : new AppError('server-refused', `The server refused ${what} with status ${status}.`, {
        details: { status },
      });
}
