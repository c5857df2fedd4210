import type { IncomingMessage } from 'node:http';
import { AppError } from '../support/errors.ts';
import type { HttpContext } from './context.ts';

const LOOPBACK = /^(?:::ffff:)?127\.|^::1$/;

/**
 * How the sender of a request reaches the server later on, without a trailing slash; undefined when nobody has said
 * it. Never taken from what the request says of its host: a script with a foreign address would follow from that.
 */
export function publicUrlFor(
  context: Pick<HttpContext, 'publicUrl' | 'isPublicUrlKnown'>,
  request: IncomingMessage,
): string | undefined {
  const isHere = LOOPBACK.test(request.socket.remoteAddress ?? '');
  return isHere || context.isPublicUrlKnown() ? context.publicUrl() : undefined;
}

/** As `publicUrlFor`. Throws `public-url-missing`. */
export function requirePublicUrl(
  context: Pick<HttpContext, 'publicUrl' | 'isPublicUrlKnown'>,
  request: IncomingMessage,
): string {
  const url = publicUrlFor(context, request);
  if (url === undefined) {
    throw publicUrlMissing();
  }
  return url;
}

export function publicUrlMissing(): AppError {
  return new AppError(
    'public-url-missing',
    'The server does not know how nodes reach it: it listens on every address. Set "public-url" in the section [http] of its configuration.',
  );
}
