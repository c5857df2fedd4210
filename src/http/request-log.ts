import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpContext } from './context.ts';

const LONGEST_PATH = 500;
/** The client has gone before there was an answer. */
const ABANDONED = 499;

interface LoggedExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly isFile: boolean;
}

/** One line when an exchange is over. Reads are details (debug); what changes something is worth knowing (info). */
export function logExchange(
  { log, clock }: Pick<HttpContext, 'log' | 'clock'>,
  { request, response, requestId, isFile }: LoggedExchange,
): void {
  if (isFile && !log.isLevelEnabled('debug')) {
    return;
  }
  const startedAt = clock.now();
  const path = (request.url ?? '').replace(/\?.*$/s, '').slice(0, LONGEST_PATH);
  response.once('close', () => {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const level = isFile || isRead ? 'debug' : 'info';
    const line = {
      requestId,
      method: request.method,
      path,
      status: response.headersSent ? response.statusCode : ABANDONED,
      ms: clock.now() - startedAt,
      ...(response.writableFinished ? {} : { abandoned: true }),
    };
    log[level](line, 'request done');
  });
}
