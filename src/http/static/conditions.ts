import type { IncomingHttpHeaders } from 'node:http';
import { parseHttpDate } from './http-date.ts';

/** What identifies one state of a file. */
export interface Validators {
  /** Strong entity tag, quotes included. */
  readonly etag: string;
  /** Last-Modified, seconds since the epoch. */
  readonly modifiedSeconds: number;
}

export type Verdict = 'send' | 'not-modified' | 'precondition-failed';

/**
 * Evaluates the conditional headers of a GET or HEAD in the order of RFC 9110, 13.2.2.
 *
 * If-Modified-Since has "before" semantics: a file is unmodified when its time is at or before the given one.
 * Portage sends the TIMESTAMP of its index plus 5 seconds (`bintree._populate_remote_repo`).
 */
export function evaluateConditions(headers: IncomingHttpHeaders, file: Validators): Verdict {
  if (!mayProceed(headers, file)) {
    return 'precondition-failed';
  }
  const noneMatch = headers['if-none-match'];
  if (noneMatch !== undefined) {
    return listsTag(noneMatch, file.etag, 'weak') ? 'not-modified' : 'send';
  }
  const since = parseHttpDate(headers['if-modified-since'] ?? '');
  return since !== undefined && file.modifiedSeconds <= since ? 'not-modified' : 'send';
}

/** Whether a Range may be honoured (RFC 9110, 13.1.5): yes without If-Range, else only for exactly this file. */
export function rangeApplies(headers: IncomingHttpHeaders, file: Validators): boolean {
  const condition = headers['if-range'];
  if (typeof condition !== 'string') {
    return condition === undefined;
  }
  if (condition.includes('"')) {
    return condition.trim() === file.etag;
  }
  return parseHttpDate(condition.trim()) === file.modifiedSeconds;
}

function mayProceed(headers: IncomingHttpHeaders, file: Validators): boolean {
  const match = headers['if-match'];
  if (match !== undefined) {
    return listsTag(match, file.etag, 'strong');
  }
  const limit = parseHttpDate(headers['if-unmodified-since'] ?? '');
  return limit === undefined || file.modifiedSeconds <= limit;
}

function listsTag(list: string, etag: string, comparison: 'weak' | 'strong'): boolean {
  if (list.trim() === '*') {
    return true;
  }
  const tags = list.match(/(?:W\/)?"[^"]*"/g) ?? [];
  return tags.some((tag) => tag === etag || (comparison === 'weak' && tag === `W/${etag}`));
}
