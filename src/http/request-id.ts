import type { ServerResponse } from 'node:http';
import { newId } from '../support/ids.ts';

const HEADER = 'X-Request-Id';

/** Gives an exchange its name in the log; the client sees it as X-Request-Id. */
export function assignRequestId(response: ServerResponse): string {
  const id = newId('req');
  response.setHeader(HEADER, id);
  return id;
}

export function requestIdOf(response: ServerResponse): string {
  return String(response.getHeader(HEADER) ?? '');
}
