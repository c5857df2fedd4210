import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Problem } from '../protocol/common.ts';
import { diskFullError } from '../support/disk-space.ts';
import { AppError, isAppError, isErrno } from '../support/errors.ts';
import type { Log } from '../support/log.ts';
import { statusOf } from './error-status.ts';
import { boundDiscarding } from './request-body.ts';
import { requestIdOf } from './request-id.ts';

export interface FailedExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly log: Log;
}

const BROKEN_CODES = ['ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED', 'ECONNRESET', 'EPIPE'];
const NO_ROOM = 507;
const UNEXPECTED = 'Something went wrong in the server. The request id finds it in its log.';

/**
 * What the outside is told of a caught value. Only errors with a status below 500, and those of a full disk, speak for
 * themselves; of anything else no word is repeated, for it may name paths.
 */
export function problemOf(error: unknown, requestId: string): Problem {
  const known = isAppError(error) ? error : (undecodablePath(error) ?? diskFullError(error));
  const status = known === undefined ? 500 : (statusOf(known.code) ?? 500);
  if (known === undefined || (status >= 500 && status !== NO_ROOM)) {
    const code = status === 500 ? 'unexpected-error' : (known?.code ?? 'unexpected-error');
    return { code, title: UNEXPECTED, status, requestId };
  }
  const { code, details } = known;
  return {
    code,
    title: known.message,
    status,
    requestId,
    ...(Object.keys(details).length === 0 ? {} : { details: { ...details } }),
  };
}

/** Answers with problem+json. What is unexpected is logged here, and nowhere else. */
export function respondWithError(exchange: FailedExchange, error: unknown): void {
  const { request, response, log } = exchange;
  const problem = problemOf(error, requestIdOf(response));
  if (!isBrokenConnection(response, error)) {
    logUnexpected(log, problem, error);
  }
  if (response.headersSent) {
    response.destroy();
    return;
  }
  prepareRefusal(exchange, problem, error);
  const body = JSON.stringify(problem);
  response.setHeader('Content-Type', 'application/problem+json');
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.end(request.method === 'HEAD' ? undefined : body);
}

export function logUnexpected(log: Log, problem: Problem, error: unknown): void {
  if (problem.status >= 500) {
    log.error({ requestId: problem.requestId, err: error }, 'request failed');
  }
}

/** Status and headers of a refusal, whatever its body will be. The rest of an unwanted upload may run out. */
export function prepareRefusal(exchange: FailedExchange, problem: Problem, error: unknown): void {
  const { request, response } = exchange;
  for (const name of ['Last-Modified', 'ETag', 'Content-Length', 'Content-Range']) {
    response.removeHeader(name);
  }
  response.statusCode = problem.status;
  response.setHeader('Cache-Control', 'no-store');
  if (isAppError(error)) {
    for (const [name, value] of Object.entries(extraHeaders(error))) {
      response.setHeader(name, value);
    }
  }
  boundDiscarding(request);
}

function extraHeaders(error: AppError): Record<string, string> {
  switch (error.code) {
    case 'authentication-required':
      return { 'WWW-Authenticate': 'Bearer realm="rookery"' };
    case 'token-invalid':
      return { 'WWW-Authenticate': 'Bearer realm="rookery", error="invalid_token"' };
    case 'role-too-low':
      return { 'WWW-Authenticate': 'Bearer realm="rookery", error="insufficient_scope"' };
    case 'method-not-allowed':
      return { Allow: String(error.details['allow']) };
    case 'range-not-satisfiable':
      return { 'Content-Range': `bytes */${String(error.details['size'])}` };
    default:
      return {};
  }
}

/** Whether a client has gone in the middle of an answer: that is its own affair, and the request log notes it. */
function isBrokenConnection(response: ServerResponse, error: unknown): boolean {
  return response.destroyed && BROKEN_CODES.some((code) => isErrno(error, code));
}

/** Express throws a URIError for a path that cannot be decoded. */
function undecodablePath(error: unknown): AppError | undefined {
  const isDecoding =
    typeof error === 'object' && error !== null && 'name' in error && error.name === 'URIError';
  return isDecoding
    ? new AppError('invalid-path', 'The path is not percent-encoded UTF-8.')
    : undefined;
}
