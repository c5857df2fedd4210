import type { ReadStream } from 'node:fs';
import { readAtOnce } from '../database/read-at-once.ts';
import type { BuildFailure } from '../gentoo/build-failure.ts';
import type { BuildProgress } from '../gentoo/build-phase.ts';
import { isAppError } from '../support/errors.ts';
import { plainText } from '../support/terminal-text.ts';
import type { AttemptName } from './build-log.ts';
import type { BuildsContext } from './builds-context.ts';
import {
  type AttemptRecord,
  failureOf,
  type HistoryFilter,
  type HistoryGroup,
  type HistoryGrouping,
  toRecord,
} from './history.ts';
import { findHistory, historyGroups, historyRows, removeHistoryBefore } from './history-store.ts';
import { builtAs } from './join-store.ts';
import { type LiveView, readJobRows } from './read-builds.ts';
import { progressOf, runningAttempts, timelineFacts } from './read-timeline.ts';
import { findRequestRow } from './request-store.ts';
import { type LogQuery, type SearchStep, searchLogs } from './search-logs.ts';
import { makeTimeline, type Timeline } from './timeline.ts';

/** What logs and history tell about builds. */
export interface BuildRecords {
  /** How far these attempts are. */
  progress(attempts: readonly AttemptName[]): Promise<ReadonlyMap<string, BuildProgress>>;
  /** The lines around the first error of an attempt; none when it has none, or its log is gone. */
  excerpt(name: AttemptName): Promise<Excerpt | undefined>;
  /** The log of an ended attempt as it lies on the disk: zstd. */
  openPackedLog(
    name: AttemptName,
  ): Promise<{ readonly stream: ReadStream; readonly size: number } | undefined>;
  /** Newest first. */
  history(query: HistoryFilter & { readonly limit: number }): Promise<readonly AttemptRecord[]>;
  historyBy(
    grouping: HistoryGrouping,
    query: HistoryFilter & { readonly limit: number },
  ): Promise<readonly HistoryGroup[]>;
  /** Forgets attempts that ended longer ago; returns how many. */
  forgetHistory(olderThanMs: number): Promise<number>;
  /** Undefined when there is no such request. */
  timeline(requestId: string): Promise<Timeline | undefined>;
  searchLogs(query: LogQuery, signal: AbortSignal): AsyncIterable<SearchStep>;
}

export interface Excerpt {
  readonly failure: BuildFailure;
  /** Number of the first line. */
  readonly firstLine: number;
  /** Plain text. */
  readonly lines: readonly string[];
}

const BEFORE_BYTES = 8 * 1024;
const AFTER_BYTES = 8 * 1024;
const LINES_BEFORE = 6;
const LINES_AFTER = 8;

export function createRecords(context: BuildsContext, live: LiveView): BuildRecords {
  const { database } = context;
  return {
    progress: async (attempts) => await progressOf(context, attempts),
    excerpt: async (name) => await excerptOf(context, name),
    openPackedLog: async ({ jobId, attempt }) =>
      await context.logs.openPacked({ jobId: await builtAs(database, jobId), attempt }),
    history: async (query) => (await historyRows(database, query)).map(toRecord),
    historyBy: async (grouping, query) => await historyGroups(database, grouping, query),
    forgetHistory: async (olderThanMs) =>
      await removeHistoryBefore(database, context.clock.now() - olderThanMs),
    timeline: async (requestId) => await timelineOf(context, live, requestId),
    searchLogs: (query, signal) => searchLogs(context, query, signal),
  };
}

async function excerptOf(
  { database, logs }: Pick<BuildsContext, 'database' | 'logs'>,
  { jobId, attempt }: AttemptName,
): Promise<Excerpt | undefined> {
  const name = { jobId: await builtAs(database, jobId), attempt };
  const row = await findHistory(database, name.jobId, attempt);
  const failure = row === undefined ? null : failureOf(row);
  if (failure === null) {
    return undefined;
  }
  const begin = Math.max(0, failure.offset - BEFORE_BYTES);
  const text = async (offset: number, maxBytes: number): Promise<string> =>
    (await logs.read(name, { offset, maxBytes })).bytes.toString('utf8');
  try {
    if ((await logs.size(name)) === undefined) {
      return undefined;
    }
    const before = (await text(begin, failure.offset - begin)).split('\n').slice(0, -1);
    const after = (await text(failure.offset, AFTER_BYTES)).split('\n');
    const shown = before.slice(begin === 0 ? 0 : 1).slice(-LINES_BEFORE);
    return {
      failure,
      firstLine: failure.line - shown.length,
      lines: [...shown, ...after.slice(0, LINES_AFTER + 1)].map(plainText),
    };
  } catch (error) {
    if (isAppError(error, 'log-damaged')) {
      return undefined;
    }
    throw error;
  }
}

async function timelineOf(
  context: BuildsContext,
  live: LiveView,
  requestId: string,
): Promise<Timeline | undefined> {
  const facts = await readAtOnce(context.database, async (queries) => {
    const request = await findRequestRow(queries, requestId);
    const jobs = await readJobRows(queries, requestId);
    return request && (await timelineFacts({ ...context, database: queries }, live, request, jobs));
  });
  if (facts === undefined) {
    return undefined;
  }
  const progress = await progressOf(context, runningAttempts(facts.jobs));
  return makeTimeline({ ...facts, progress });
}
