import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError } from '../../support/errors.ts';
import { parseByteRange } from './byte-range.ts';
import { evaluateConditions, rangeApplies, type Validators } from './conditions.ts';
import { contentTypeOf } from './content-type.ts';
import { printHttpDate } from './http-date.ts';
import type { Span } from './send-file.ts';

/** Paths of packages never change their content; everything else is asked for again. */
const IMMUTABLE = 'public, max-age=604800, immutable';
const REVALIDATE = 'no-cache';

/** What a client asks for of a file: the answer 304, or a part of the file, which may be all of it. */
export type Wanted =
  | { readonly kind: 'not-modified' }
  | {
      readonly kind: 'span';
      readonly span: Span;
      /** Whether only the headers are to be sent. */
      readonly isWithoutBody: boolean;
      readonly isPartial: boolean;
    };

/** Throws `precondition-failed`, `range-not-satisfiable`. */
export function wantedOf(
  request: IncomingMessage,
  file: Validators & { readonly size: number },
): Wanted {
  const verdict = evaluateConditions(request.headers, file);
  if (verdict === 'precondition-failed') {
    throw new AppError('precondition-failed', 'The file is not in the state that was asked for.');
  }
  if (verdict === 'not-modified') {
    return { kind: 'not-modified' };
  }
  const range = rangeToSend(request, file);
  const span = range ?? { first: 0, last: file.size - 1 };
  const isWithoutBody = request.method === 'HEAD' || span.last < span.first;
  return { kind: 'span', span, isWithoutBody, isPartial: range !== undefined };
}

/** The part that is asked for; undefined for all of it. Throws `range-not-satisfiable`. */
function rangeToSend(
  request: IncomingMessage,
  file: Validators & { readonly size: number },
): Span | undefined {
  const { range: asked } = request.headers;
  if (asked === undefined || request.method !== 'GET' || !rangeApplies(request.headers, file)) {
    return undefined;
  }
  const range = parseByteRange(asked, file.size);
  if (range.kind === 'unsatisfiable') {
    throw new AppError('range-not-satisfiable', `The file has ${file.size} bytes.`, {
      details: { size: file.size },
    });
  }
  return range.kind === 'whole' ? undefined : range;
}

/** Headers of a file, whatever is asked for of it: those of every answer, and those that go with its bytes. */
export interface FileHeaders {
  readonly always: Readonly<Record<string, string>>;
  readonly withBytes: Readonly<Record<string, string>>;
}

export function fileHeaders(segments: readonly string[], file: Validators): FileHeaders {
  const name = segments.at(-1) ?? '';
  const isPackage = segments[0] === 'binhost' && name.endsWith('.gpkg.tar');
  const always = {
    'Last-Modified': printHttpDate(file.modifiedSeconds),
    ETag: file.etag,
    'Cache-Control': isPackage ? IMMUTABLE : REVALIDATE,
  };
  const withBytes = {
    ...always,
    'Content-Type': contentTypeOf(name),
    'Accept-Ranges': 'bytes',
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "default-src 'none'; sandbox",
  };
  return { always, withBytes };
}

/** Sends status and headers, before the bytes. */
export function writeHeaders(
  response: ServerResponse,
  { always, withBytes }: FileHeaders,
  { size, wanted }: { readonly size: number; readonly wanted: Wanted },
): void {
  if (wanted.kind === 'not-modified') {
    response.writeHead(304, always);
    return;
  }
  const { first, last } = wanted.span;
  response.writeHead(wanted.isPartial ? 206 : 200, {
    ...withBytes,
    'Content-Length': last - first + 1,
    ...(wanted.isPartial ? { 'Content-Range': `bytes ${first}-${last}/${size}` } : {}),
  });
}
