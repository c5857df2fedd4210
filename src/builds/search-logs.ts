import { isAppError } from '../support/errors.ts';
import { LineSplitter, type NumberedLine } from '../support/line-splitter.ts';
import { plainLine } from '../support/terminal-text.ts';
import type { BuildsContext } from './builds-context.ts';
import {
  type Among,
  attemptsToSearch,
  countAttemptsToSearch,
  type LogPlace,
  type LogToSearch,
} from './timeline-store.ts';

export interface LogQuery {
  /** Looked for as it is, in plain text, whatever the case. */
  readonly text: string;
  readonly requestId?: string;
  readonly jobId?: string;
  /** Where a search before has stopped. */
  readonly after?: LogPlace;
  readonly maxMatches: number;
  readonly maxMs: number;
}

export interface LogMatch {
  readonly requestId: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly name: string;
  readonly profile: string;
  /** From 1 on. */
  readonly line: number;
  /** The line, plain text, cut around what was found. */
  readonly text: string;
}

/** `progress` comes after each log that holds something, and now and then. `end` comes last, in any case. */
export type SearchStep =
  | { readonly kind: 'match'; readonly match: LogMatch }
  | { readonly kind: 'progress'; readonly logs: number; readonly total: number }
  | {
      readonly kind: 'end';
      readonly logs: number;
      readonly total: number;
      readonly matches: number;
      /** Why it did not look at the rest. */
      readonly stoppedBy: 'matches' | 'time' | null;
      /** Where to go on. */
      readonly next: LogPlace | null;
    };

const PIECE_BYTES = 256 * 1024;
const LOGS_AT_ONCE = 200;
/** Of one log, so that one that repeats itself does not hide the others. */
const MATCHES_PER_LOG = 20;
const TELL_EVERY_LOGS = 20;
const TEXT_AROUND = 150;

/**
 * Looks through the logs of a request, or of all, the newest first, one piece after the other: memory stays the same
 * however many there are. It stops after so many matches or so much time, at the
 * earliest after one log, with the place to go on from.
 */
export async function* searchLogs(
  context: Pick<BuildsContext, 'database' | 'logs' | 'clock'>,
  query: LogQuery,
  signal: AbortSignal,
): AsyncGenerator<SearchStep> {
  const until = context.clock.now() + query.maxMs;
  const among = amongOf(query);
  const total = await countAttemptsToSearch(context.database, among);
  const needle = query.text.toLowerCase();
  let place = query.after;
  let [logs, matches] = [0, 0];
  for (;;) {
    const page = await attemptsToSearch(context.database, {
      ...among,
      after: place,
      limit: LOGS_AT_ONCE,
    });
    for (const log of page) {
      const stoppedBy = stopReason({ matches, now: context.clock.now(), until }, query);
      if (logs > 0 && (stoppedBy !== null || signal.aborted)) {
        yield { kind: 'end', logs, total, matches, stoppedBy, next: place ?? null };
        return;
      }
      const found = await searchLog(context, log, needle);
      for (const match of found) {
        yield { kind: 'match', match };
      }
      matches += found.length;
      logs += 1;
      place = { startedAt: log.startedAt, jobId: log.jobId, attempt: log.attempt };
      if (found.length > 0 || logs % TELL_EVERY_LOGS === 0) {
        yield { kind: 'progress', logs, total };
      }
    }
    if (page.length < LOGS_AT_ONCE) {
      yield { kind: 'end', logs, total, matches, stoppedBy: null, next: null };
      return;
    }
  }
}

function amongOf({ requestId, jobId }: LogQuery): Among {
  return {
    ...(requestId === undefined ? {} : { requestId }),
    ...(jobId === undefined ? {} : { jobId }),
  };
}

function stopReason(
  now: { readonly matches: number; readonly now: number; readonly until: number },
  query: LogQuery,
): 'matches' | 'time' | null {
  if (now.matches >= query.maxMatches) {
    return 'matches';
  }
  return now.now >= now.until ? 'time' : null;
}

/** A log that was removed or is damaged holds nothing. */
async function searchLog(
  { logs }: Pick<BuildsContext, 'logs'>,
  log: LogToSearch,
  needle: string,
): Promise<LogMatch[]> {
  const { jobId, attempt, requestId, name, profile } = log;
  const splitter = new LineSplitter();
  const found: LogMatch[] = [];
  const look = (lines: Iterable<NumberedLine>): void => {
    for (const { text, line } of lines) {
      const plain = plainLine(text);
      const at = plain.toLowerCase().indexOf(needle);
      if (at >= 0 && found.length < MATCHES_PER_LOG) {
        found.push({ requestId, jobId, attempt, name, profile, line, text: around(plain, at) });
      }
    }
  };
  for (let offset = 0; found.length < MATCHES_PER_LOG; ) {
    const bytes = await readPiece(logs, { jobId, attempt }, offset);
    if (bytes.length === 0) {
      look(splitter.end());
      break;
    }
    look(splitter.take(bytes));
    offset += bytes.length;
  }
  return found;
}

async function readPiece(
  logs: BuildsContext['logs'],
  name: { readonly jobId: string; readonly attempt: number },
  offset: number,
): Promise<Buffer> {
  try {
    return (await logs.read(name, { offset, maxBytes: PIECE_BYTES })).bytes;
  } catch (error) {
    if (isAppError(error, 'log-damaged')) {
      return Buffer.alloc(0);
    }
    throw error;
  }
}

function around(line: string, at: number): string {
  const begin = Math.max(0, at - TEXT_AROUND);
  const part = line.slice(begin, at + TEXT_AROUND * 2);
  return `${begin > 0 ? '…' : ''}${part}${begin + part.length < line.length ? '…' : ''}`;
}
