import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError, isAppError } from '../../support/errors.ts';
import type { HttpContext } from '../context.ts';
import { respondWithError } from '../error-response.ts';
import { lifetimeOf } from '../lifetime.ts';
import { parseByteRange } from './byte-range.ts';
import { evaluateConditions, rangeApplies } from './conditions.ts';
import { contentTypeOf } from './content-type.ts';
import { FilePlaces, FileTurn, type TransferLimits } from './file-turn.ts';
import { printHttpDate } from './http-date.ts';
import { firstSegment, parseRequestPath } from './request-path.ts';
import { isShort, readSpan, type Span, sendSpan } from './send-file.ts';
import { isServedName, type ServedFile, ServedTree } from './served-tree.ts';

const LIMITS: TransferLimits = { transfers: 1000, perClient: 250, stallMs: 60_000 };
const ALLOWED = 'GET, HEAD';
/** Paths of packages never change their content; everything else is asked for again. */
const IMMUTABLE = 'public, max-age=604800, immutable';
const REVALIDATE = 'no-cache';

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
  return {
    handles: (target) => isServedName(firstSegment(target)),
    handle: async (request, response) => {
      const life = lifetimeOf(response);
      try {
        const segments = checkedSegments(request);
        const client = request.socket.remoteAddress ?? '';
        const turn = new FileTurn(places, segments.at(-1) ?? '', client);
        const exchange = { request, response, segments, turn, stallMs: limits.stallMs };
        await takeTurn(tree, exchange, life.signal);
      } catch (error) {
        if (!isAppError(error, 'request-abandoned')) {
          respondWithError({ request, response, log: context.log }, error);
        }
      } finally {
        life.end();
      }
    },
  };
}

/** Answers, at once or when there is a place for a long transfer; who waits for one holds no file open. */
async function takeTurn(tree: ServedTree, exchange: Exchange, signal: AbortSignal): Promise<void> {
  const { turn } = exchange;
  try {
    await turn.toOpen(signal);
    if (!(await serve(tree, exchange))) {
      turn.closed();
      await turn.toTransfer(signal);
      await turn.toOpen(signal);
      await serve(tree, exchange);
    }
  } finally {
    turn.end();
  }
}

/** Throws `invalid-path`, `method-not-allowed`, `file-not-found`. */
function checkedSegments(request: IncomingMessage): readonly string[] {
  const { method = '', url = '' } = request;
  const path = parseRequestPath(url);
  if (path.kind === 'invalid') {
    throw new AppError('invalid-path', path.fault);
  }
  if (method !== 'GET' && method !== 'HEAD') {
    throw new AppError('method-not-allowed', `Files are read with GET and HEAD, not ${method}.`, {
      details: { allow: ALLOWED },
    });
  }
  return path.isFolder ? [...path.segments, ''] : path.segments;
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
  const { request, response, segments, turn, stallMs } = exchange;
  const verdict = evaluateConditions(request.headers, file);
  if (verdict === 'precondition-failed') {
    throw new AppError('precondition-failed', 'The file is not in the state that was asked for.');
  }
  if (verdict === 'not-modified') {
    response.setHeaders(fileHeaders(segments, file));
    response.writeHead(304).end();
    return true;
  }
  const range = rangeToSend(request, file);
  const span = range ?? { first: 0, last: file.size - 1 };
  const isWithoutBody = request.method === 'HEAD' || span.last < span.first;
  if (!isWithoutBody && !isShort(span) && !turn.mayTransfer()) {
    return false;
  }
  response.setHeaders(fileHeaders(segments, file));
  response.setHeader('Content-Type', contentTypeOf(segments.at(-1) ?? ''));
  response.setHeader('Content-Length', span.last - span.first + 1);
  if (range !== undefined) {
    response.statusCode = 206;
    response.setHeader('Content-Range', `bytes ${range.first}-${range.last}/${file.size}`);
  }
  if (isWithoutBody) {
    response.end();
    return true;
  }
  if (isShort(span)) {
    await sendShort(file, response, { span, close });
  } else {
    await sendSpan(file.handle, response, span, { isCrowded: turn.isCrowded, stallMs });
  }
  return true;
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

/** The part that is asked for; undefined for all of it. Throws `range-not-satisfiable`. */
function rangeToSend(request: IncomingMessage, file: ServedFile): Span | undefined {
  if (request.method !== 'GET' || !rangeApplies(request.headers, file)) {
    return undefined;
  }
  const range = parseByteRange(request.headers.range, file.size);
  if (range.kind === 'unsatisfiable') {
    throw new AppError('range-not-satisfiable', `The file has ${file.size} bytes.`, {
      details: { size: file.size },
    });
  }
  return range.kind === 'whole' ? undefined : range;
}

function fileHeaders(segments: readonly string[], file: ServedFile): Map<string, string> {
  const isPackage = segments[0] === 'binhost' && segments.at(-1)?.endsWith('.gpkg.tar') === true;
  return new Map([
    ['Last-Modified', printHttpDate(file.modifiedSeconds)],
    ['ETag', file.etag],
    ['Accept-Ranges', 'bytes'],
    ['Cache-Control', isPackage ? IMMUTABLE : REVALIDATE],
    ['X-Content-Type-Options', 'nosniff'],
    ['Content-Security-Policy', "default-src 'none'; sandbox"],
  ]);
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
