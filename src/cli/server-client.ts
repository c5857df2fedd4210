import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import * as z from 'zod';
import type { ResolveOption } from '../gentoo/resolve-options.ts';
import { historyGroupsSchema, historySchema } from '../protocol/build-records.ts';
import {
  jobViewSchema,
  requestDetailSchema,
  requestListSchema,
  requestViewSchema,
} from '../protocol/builds.ts';
import { channelViewSchema, publicationViewSchema } from '../protocol/channels.ts';
import { problemSchema } from '../protocol/common.ts';
import { differenceViewSchema } from '../protocol/difference.ts';
import { gateViewSchema } from '../protocol/gate.ts';
import { journalViewSchema } from '../protocol/journal.ts';
import { nodeDetailSchema, nodeListSchema, proofViewSchema } from '../protocol/nodes.ts';
import { packageListSchema, packageViewSchema, profileListSchema } from '../protocol/packages.ts';
import { checkViewSchema } from '../protocol/repository.ts';
import { collectionTaskSchema, pinViewSchema } from '../protocol/retention.ts';
import { AppError } from '../support/errors.ts';
import { fleetCalls } from './fleet-calls.ts';
import { bodyChunks, networkReason, readAll } from './http-get.ts';
import { impactCalls } from './impact-calls.ts';
import { inventoryCalls } from './inventory-calls.ts';
import { keyCalls } from './key-calls.ts';
import { phpCalls } from './php-calls.ts';
import { retryCalls } from './retry-calls.ts';
import { rolloutCalls } from './rollout-calls.ts';
import { scheduleCalls } from './schedule-calls.ts';
import { steeringCalls } from './steering-calls.ts';
import { tokenCalls } from './token-calls.ts';

const MAX_ANSWER_BYTES = 256 * 1024 * 1024;
const UPLOAD_CHUNK_BYTES = 256 * 1024;

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly json?: unknown;
  readonly upload?: {
    readonly file: string;
    readonly size: number;
    readonly onProgress: (sent: number) => void;
  };
  readonly signal?: AbortSignal | undefined;
}

/** What the commands ask of a server. Everything it answers is checked against `src/protocol`. */
export type ServerClient = ReturnType<typeof createServerClient>;

/**
 * Speaks to one server. A refusal is thrown with the server's own code and sentence; no server is
 * `server-unreachable`, a broken connection `connection-lost`, anything else that is no answer of a Rookery
 * server `unexpected-answer`.
 */
export function createServerClient(server: { readonly url: string; readonly token?: string }) {
  const base = server.url.replace(/\/+$/, '');
  const ask = async <T>(call: Call, schema: z.ZodType<T>): Promise<T> => {
    const response = await send(base, server.token, call);
    return parseJson(await textOf(response), schema, `${base}${call.path}`);
  };
  const get = async <T>(
    path: string,
    schema: z.ZodType<T>,
    query: Call['query'] = {},
    signal?: AbortSignal,
  ): Promise<T> => await ask({ method: 'GET', path, query, signal }, schema);
  const post = async <T>(path: string, json: unknown, schema: z.ZodType<T>): Promise<T> =>
    await ask({ method: 'POST', path, json }, schema);
  const act = async (call: Call): Promise<void> => {
    await send(base, server.token, call);
  };
  return {
    url: base,
    ...packageCalls({ get, ask }),
    ...buildCalls({ get, post }),
    ...retryCalls({ get, post }),
    ...steeringCalls({ post }, act),
    ...channelCalls({ get, post }),
    ...nodeCalls({ get, post }),
    ...inventoryCalls({ get }),
    ...scheduleCalls({ get, post }),
    ...fleetCalls({ get, ask }),
    ...rolloutCalls({ get, post }, act),
    ...keyCalls({ get, post }),
    ...retentionCalls({ get, post, ask }, act),
    ...tokenCalls({ get, post }, act),
    forgetNode: async (name: string, reason: string) =>
      await act({ method: 'DELETE', path: `/api/nodes/${encoded(name)}`, json: { reason } }),
    beginCheck: async (body: {
      readonly deep: boolean;
      readonly all: boolean;
      readonly maxAgeDays?: number;
    }) => await post('/api/repository/check', body, checkViewSchema),
    cancelCheck: async () =>
      await ask({ method: 'DELETE', path: '/api/repository/check' }, checkViewSchema),
    journal: async (query: { readonly limit: number } & Partial<Record<string, string | number>>) =>
      (await get('/api/journal', journalViewSchema, query)).events,
    /** The shell script that sets up a node. */
    clientScript: async (profile: string, channel: string): Promise<string> => {
      const path = `/api/profiles/${encoded(profile)}/client`;
      return await textOf(
        await send(base, server.token, { method: 'GET', path, query: { channel } }),
      );
    },
    /** Bytes as they come; for server-sent events and logs. */
    stream: async (
      path: string,
      query: NonNullable<Call['query']>,
      signal: AbortSignal,
    ): Promise<AsyncIterable<Uint8Array>> =>
      bodyChunks(await send(base, server.token, { method: 'GET', path, query, signal })),
  };
}

export interface Calls {
  readonly get: <T>(
    path: string,
    schema: z.ZodType<T>,
    query?: Call['query'],
    signal?: AbortSignal,
  ) => Promise<T>;
  readonly post: <T>(path: string, json: unknown, schema: z.ZodType<T>) => Promise<T>;
  readonly ask: <T>(call: Call, schema: z.ZodType<T>) => Promise<T>;
}

function packageCalls({ get, ask }: Pick<Calls, 'get' | 'ask'>) {
  return {
    ...phpCalls({ get, ask }),
    profiles: async () => await get('/api/profiles', profileListSchema),
    packages: async (
      profile: string,
      query: { readonly channel?: string; readonly limit: number; readonly offset: number },
    ) => await get(`/api/profiles/${encoded(profile)}/packages`, packageListSchema, query),
    /** Streams a file up. `sha512` is what the server has to arrive at. */
    pushPackage: async (
      profile: string,
      upload: NonNullable<Call['upload']> & { readonly sha512: string },
    ) =>
      await ask(
        {
          method: 'PUT',
          path: `/api/profiles/${encoded(profile)}/packages`,
          query: { sha512: upload.sha512 },
          upload,
        },
        packageViewSchema,
      ),
  };
}

function buildCalls({ get, post }: Pick<Calls, 'get' | 'post'>) {
  return {
    createRequest: async (body: {
      readonly profile: string;
      readonly atoms: readonly string[];
      readonly publish?: string;
      readonly partial?: boolean;
      readonly rebuild?: boolean;
      readonly rebuildFor?: string;
      readonly resolve?: readonly ResolveOption[];
      readonly priority?: number;
      readonly retry?: boolean;
    }) => await post('/api/requests', body, requestViewSchema),
    requests: async (query: { readonly profile?: string; readonly limit: number }) =>
      (await get('/api/requests', requestListSchema, query)).requests,
    request: async (id: string, signal?: AbortSignal) =>
      await get(`/api/requests/${encoded(id)}`, requestDetailSchema, {}, signal),
    cancelRequest: async (id: string) =>
      await post(`/api/requests/${encoded(id)}/cancel`, {}, requestViewSchema),
    job: async (id: string, signal?: AbortSignal) =>
      await get(`/api/jobs/${encoded(id)}`, jobViewSchema, {}, signal),
    history: async (query: NonNullable<Call['query']>) =>
      (await get('/api/history', historySchema, query)).attempts,
    historyBy: async (by: 'package' | 'profile' | 'agent', query: NonNullable<Call['query']>) =>
      (await get(`/api/history/${by}`, historyGroupsSchema, query)).groups,
  };
}

function channelCalls({ get, post }: Pick<Calls, 'get' | 'post'>) {
  return {
    checkChannel: async (profile: string, channel: string, contents: string | undefined) =>
      await get(`${channelPath(profile, channel)}/check`, gateViewSchema, { contents }),
    difference: async (profile: string, query: { readonly from: string; readonly to: string }) =>
      await get(`/api/profiles/${encoded(profile)}/diff`, differenceViewSchema, query),
    channel: async (profile: string, channel: string) =>
      await get(channelPath(profile, channel), channelViewSchema),
    publish: async (
      profile: string,
      channel: string,
      body: ChannelBody & {
        readonly packageIds?: readonly string[];
        readonly allow?: readonly string[];
      },
    ) => await post(`${channelPath(profile, channel)}/publish`, body, publicationViewSchema),
    promote: async (
      profile: string,
      channel: string,
      body: ChannelBody & {
        readonly from?: string;
        readonly serial?: number;
        readonly force?: boolean;
        readonly allow?: readonly string[];
      },
    ) => await post(`${channelPath(profile, channel)}/promote`, body, publicationViewSchema),
    rollback: async (
      profile: string,
      channel: string,
      body: ChannelBody & { readonly serial?: number },
    ) => await post(`${channelPath(profile, channel)}/rollback`, body, publicationViewSchema),
  };
}

interface ChannelBody {
  readonly reason: string;
  /** What the channel showed when this was decided. */
  readonly expectedSerial?: number;
}

function nodeCalls({ get, post }: Pick<Calls, 'get' | 'post'>) {
  return {
    ...impactCalls({ post }),
    nodes: async () => (await get('/api/nodes', nodeListSchema)).nodes,
    node: async (name: string) => await get(`/api/nodes/${encoded(name)}`, nodeDetailSchema),
    proof: async (profile: string, channel: string) =>
      await get(`${channelPath(profile, channel)}/proof`, proofViewSchema),
  };
}

function channelPath(profile: string, channel: string): string {
  return `/api/profiles/${encoded(profile)}/channels/${encoded(channel)}`;
}

function retentionCalls({ post, ask }: Calls, act: (call: Call) => Promise<void>) {
  return {
    pin: async ({ profile, channel, serial }: PublicationName, reason: string) =>
      await ask(
        { method: 'PUT', path: pinPath(profile, channel, serial), json: { reason } },
        pinViewSchema,
      ),
    unpin: async ({ profile, channel, serial }: PublicationName, reason: string): Promise<void> => {
      const path = pinPath(profile, channel, serial);
      await act({ method: 'DELETE', path, json: { reason } });
    },
    collect: async (body: { readonly dryRun: boolean; readonly profile?: string }) =>
      await post('/api/repository/collect', body, collectionTaskSchema),
  };
}

interface PublicationName {
  readonly profile: string;
  readonly channel: string;
  readonly serial: number;
}

function pinPath(profile: string, channel: string, serial: number): string {
  return `${channelPath(profile, channel)}/pins/${serial}`;
}

/** Whether trying again later can help: the server is away, or says that it is. */
export function isTransient(error: unknown): boolean {
  return error instanceof AppError && TRANSIENT.has(error.code);
}

const TRANSIENT = new Set(['server-unreachable', 'connection-lost', 'server-busy']);

async function send(base: string, token: string | undefined, call: Call): Promise<Response> {
  const url = urlOf(base, call);
  let response: Response;
  try {
    response = await fetch(url, {
      method: call.method,
      redirect: 'error',
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(call.json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(call.upload === undefined
          ? {}
          : {
              'content-type': 'application/octet-stream',
              'content-length': String(call.upload.size),
            }),
      },
      ...bodyOf(call),
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    });
  } catch (error) {
    throw call.signal?.aborted ? aborted(base, error) : unreachable(base, error);
  }
  if (!response.ok) {
    throw await refusal(response, url);
  }
  return response;
}

function urlOf(base: string, call: Call): URL {
  if (!URL.canParse(base) || !/^https?:$/.test(new URL(base).protocol)) {
    throw new AppError(
      'server-url-invalid',
      `"${base}" is not the URL of a server: it has to look like http://host:8700.`,
    );
  }
  const url = new URL(base + call.path);
  for (const [name, value] of Object.entries(call.query ?? {})) {
    if (value !== undefined) {
      url.searchParams.set(name, String(value));
    }
  }
  return url;
}

function bodyOf(call: Call): Pick<RequestInit, 'body' | 'duplex'> {
  if (call.json !== undefined) {
    return { body: JSON.stringify(call.json) };
  }
  if (call.upload === undefined) {
    return {};
  }
  const stream = Readable.from(countedChunks(call.upload), { objectMode: false });
  return { body: Readable.toWeb(stream), duplex: 'half' };
}

async function* countedChunks(upload: NonNullable<Call['upload']>): AsyncIterable<Buffer> {
  let sent = 0;
  const chunks: AsyncIterable<Buffer> = createReadStream(upload.file, {
    highWaterMark: UPLOAD_CHUNK_BYTES,
  });
  for await (const chunk of chunks) {
    yield chunk;
    sent += chunk.length;
    upload.onProgress(sent);
  }
}

async function refusal(response: Response, url: URL): Promise<AppError> {
  const text = await textOf(response);
  const problem = problemSchema.safeParse(jsonOf(text));
  if (problem.success) {
    const { code, title, details } = problem.data;
    return new AppError(code, title, {
      details: { ...details, status: response.status, requestId: problem.data.requestId },
    });
  }
  const where = `${url.origin}${url.pathname}`;
  if (response.status === 502 || response.status === 503 || response.status === 504) {
    return new AppError('server-busy', `${where} answers ${response.status}: no server behind it.`);
  }
  return new AppError(
    'unexpected-answer',
    `${where} answers ${response.status}, and not in the words of a Rookery server.`,
    { details: { status: response.status } },
  );
}

async function textOf(response: Response): Promise<string> {
  return (await readAll(response, MAX_ANSWER_BYTES)).toString('utf8');
}

/** Throws `unexpected-answer` when the text is not JSON of this shape; `url` is where it came from. */
export function parseJson<T>(text: string, schema: z.ZodType<T>, url: string): T {
  const result = schema.safeParse(jsonOf(text));
  if (!result.success) {
    const faults = z.prettifyError(result.error).replaceAll(/\s*\n\s*/g, ' ');
    throw new AppError(
      'unexpected-answer',
      `What ${url} answers is not what this version of rookery understands: ${faults}`,
    );
  }
  return result.data;
}

/** The value of a JSON text, undefined for any other text. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unreachable(base: string, error: unknown): AppError {
  return new AppError(
    'server-unreachable',
    `No server answers at ${base}: ${networkReason(error)}. Is it running, and is --server right?`,
    { cause: error },
  );
}

function aborted(base: string, error: unknown): AppError {
  return new AppError('interrupted', `The call to ${base} was interrupted.`, { cause: error });
}

function encoded(segment: string): string {
  return encodeURIComponent(segment);
}
