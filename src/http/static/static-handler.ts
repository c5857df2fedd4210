import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError, isAppError } from '../../support/errors.ts';
import type { HttpContext } from '../context.ts';
import { respondWithError } from '../error-response.ts';
import { lifetimeOf } from '../lifetime.ts';
import { fileHeaders, wantedOf, writeHeaders } from './file-headers.ts';
import { FilePlaces, FileTurn, isIndexName, type TransferLimits } from './file-turn.ts';
import { type RecentIndex, RecentIndexes } from './recent-indexes.ts';
import { firstSegment, parseRequestPath } from './request-path.ts';
import { isShort, readSpan, type Span, sendSpan } from './send-file.ts';
import { isServedName, type ServedFile, ServedTree } from './served-tree.ts';

const LIMITS: TransferLimits = { transfers: 1000, perClient: 250, stallMs: 60_000 };
const ALLOWED = 'GET, HEAD';

export interface StaticHandler {
  /** Whether a request target belongs to the served trees. */
  readonly handles: (target: string) => boolean;
  /** Answers it. Never rejects. */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly segments: readonly string[];
  readonly turn: FileTurn;
  readonly recent: RecentIndexes;
  readonly stallMs: number;
}

/**
 * Serves binhosts, keys, distfiles, ebuild trees and staging trees as plain files: no database, no framework.
 * Headers and body of an answer come from one descriptor, so that a switch of a channel in between shows in neither.
 */
export function createStaticHandler(
  context: Pick<HttpContext, 'folders' | 'log' | 'stopping'>,
  limits = LIMITS,
): StaticHandler {
  const tree = new ServedTree(context.folders);
  const places = new FilePlaces(limits);
  const recent = new RecentIndexes();
  const { stallMs } = limits;
  return {
    handles: (target) => isServedName(firstSegment(target)),
    handle: async (request, response) => {
      try {
        const index = isRead(request) ? recent.recall(request.url ?? '') : undefined;
        if (index !== undefined) {
          sendIndex({ request, response, stallMs }, index);
          return;
        }
        const segments = checkedSegments(request);
        const client = request.socket.remoteAddress ?? '';
        const turn = new FileTurn(places, segments.at(-1) ?? '', client);
        await takeTurn(tree, { request, response, segments, turn, recent, stallMs });
      } catch (error) {
        if (!isAppError(error, 'request-abandoned')) {
          respondWithError({ request, response, log: context.log }, error);
        }
      }
    },
  };
}

/** Answers, at once or when there is a place for a long transfer; who waits for one holds no file open. */
async function takeTurn(tree: ServedTree, exchange: Exchange): Promise<void> {
  const { turn } = exchange;
  const life = lifetimeOf(exchange.response);
  try {
    await turn.toOpen(life.signal);
    if (!(await serve(tree, exchange))) {
      turn.closed();
      await turn.toTransfer(life.signal);
      await turn.toOpen(life.signal);
      await serve(tree, exchange);
    }
  } finally {
    turn.end();
    life.end();
  }
}

/** Throws `invalid-path`, `method-not-allowed`, `file-not-found`. */
function checkedSegments(request: IncomingMessage): readonly string[] {
  const { method = '', url = '' } = request;
  const path = parseRequestPath(url);
  if (path.kind === 'invalid') {
    throw new AppError('invalid-path', path.fault);
  }
  if (!isRead(request)) {
    throw new AppError('method-not-allowed', `Files are read with GET and HEAD, not ${method}.`, {
      details: { allow: ALLOWED },
    });
  }
  return path.isFolder ? [...path.segments, ''] : path.segments;
}

function isRead({ method }: IncomingMessage): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** Whether it was answered: a long transfer without a place for it is not begun. */
async function serve(tree: ServedTree, exchange: Exchange): Promise<boolean> {
  const names = exchange.segments.filter((name) => name !== '');
  const isFolderName = names.length < exchange.segments.length;
  const found = await tree.open(names);
  if (found.kind === 'folder' && (await tree.isChannel(names))) {
    redirectToPage(exchange.response, names);
    return true;
  }
  if (found.kind !== 'file') {
    throw notFound(names);
  }
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) {
      isOpen = false;
      await found.file.handle.close();
      exchange.turn.closed();
    }
  };
  try {
    if (isFolderName) {
      throw notFound(names);
    }
    return await answer(exchange, found.file, close);
  } finally {
    await close();
  }
}

async function answer(
  exchange: Exchange,
  file: ServedFile,
  close: () => Promise<void>,
): Promise<boolean> {
  const { request, response, segments, turn, recent, stallMs } = exchange;
  if (isIndexName(segments.at(-1) ?? '') && recent.mayKeep(file.size)) {
    await answerFromMemory(exchange, file, close);
    return true;
  }
  const wanted = wantedOf(request, file);
  const isBodySent = wanted.kind === 'span' && !wanted.isWithoutBody;
  if (isBodySent && !isShort(wanted.span) && !turn.mayTransfer()) {
    return false;
  }
  writeHeaders(response, fileHeaders(segments, file), { size: file.size, wanted });
  if (!isBodySent) {
    response.end();
  } else if (isShort(wanted.span)) {
    await sendShort(file, response, { span: wanted.span, close });
  } else {
    await sendSpan(file.handle, response, wanted.span, { isCrowded: turn.isCrowded, stallMs });
  }
  return true;
}

/** Reads an index, which the next ones who ask for it will find in memory. */
async function answerFromMemory(
  exchange: Exchange,
  file: ServedFile,
  close: () => Promise<void>,
): Promise<void> {
  const { request, response, segments, recent } = exchange;
  const bytes = await recent.read(file);
  await close();
  if (bytes === undefined) {
    response.destroy();
    return;
  }
  const { etag, modifiedSeconds } = file;
  const index = { bytes, etag, modifiedSeconds, headers: fileHeaders(segments, file) };
  recent.keep(request.url ?? '', file.path, index);
  sendIndex(exchange, index);
}

/** Throws `precondition-failed`, `range-not-satisfiable`. */
function sendIndex(
  { request, response, stallMs }: Pick<Exchange, 'request' | 'response' | 'stallMs'>,
  { bytes, etag, modifiedSeconds, headers }: RecentIndex,
): void {
  const size = bytes.length;
  const wanted = wantedOf(request, { etag, modifiedSeconds, size });
  writeHeaders(response, headers, { size, wanted });
  if (wanted.kind === 'not-modified' || wanted.isWithoutBody) {
    response.end();
    return;
  }
  response.setTimeout(stallMs);
  response.end(bytes.subarray(wanted.span.first, wanted.span.last + 1));
}

/** Closes the file before it is sent. One that has become shorter breaks the connection. */
async function sendShort(
  file: ServedFile,
  response: ServerResponse,
  { span, close }: { readonly span: Span; readonly close: () => Promise<void> },
): Promise<void> {
  const bytes = await readSpan(file.handle, span);
  await close();
  if (bytes === undefined) {
    response.destroy();
    return;
  }
  response.end(bytes);
}

function redirectToPage(response: ServerResponse, names: readonly string[]): void {
  const [, ...rest] = names.map(encodeURIComponent);
  response.writeHead(302, {
    Location: `/profiles/${rest.join('/')}`,
    'Cache-Control': 'no-store',
    'Content-Length': 0,
  });
  response.end();
}

function notFound(names: readonly string[]): AppError {
  return new AppError('file-not-found', `There is no file ${names.join('/')}.`);
}
