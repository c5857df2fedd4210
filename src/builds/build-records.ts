import type { ReadStream } from 'node:fs';
import type { BuildFailure } from '../gentoo/build-failure.ts';
import type { BuildProgress } from '../gentoo/build-phase.ts';
import { isAppError } from '../support/errors.ts';
import { plainText } from '../support/terminal-text.ts';
import { agentRows, toAgent } from './agent-store.ts';
import type { AttemptName } from './build-log.ts';
import type { AgentRecord } from './builds.ts';
import type { BuildsContext } from './builds-context.ts';
import { type Estimate, estimateAll, leftOf } from './estimate.ts';
import {
  type AttemptRecord,
  failureOf,
  type HistoryFilter,
  type HistoryGroup,
  type HistoryGrouping,
  toRecord,
} from './history.ts';
import {
  findHistory,
  historyGroups,
  historyRows,
  lastEnds,
  removeHistoryBefore,
} from './history-store.ts';
import { jobRowsOf, leasedJobsByAgent, needsOfRequest } from './job-store.ts';
import { builtAs, joinedAmong } from './join-store.ts';
import { packageOf } from './keep-history.ts';
import { knownTimes } from './package-times-store.ts';
import type { LiveView } from './read-builds.ts';
import { findRequestRow } from './request-store.ts';
import { type LogQuery, type SearchStep, searchLogs } from './search-logs.ts';
import { makeTimeline, type Timeline } from './timeline.ts';
import { attemptsOfRequest, runningJobs } from './timeline-store.ts';
import { LIVE_AGENT_MS } from './waiting-reason.ts';

/** What logs and history tell about builds. */
export interface BuildRecords {
  /** Why the last attempt that failed at each of these jobs has failed, where its log says so. */
  failures(
    jobIds: readonly string[],
  ): Promise<ReadonlyMap<string, BuildFailure & { readonly attempt: number }>>;
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
    failures: async (jobIds) => {
      const joined = await joinedAmong(database, jobIds);
      const builders = jobIds.map((id) => joined.get(id) ?? id);
      const found = new Map(
        (await lastEnds(database, builders)).map((row) => [row.job_id, row] as const),
      );
      return new Map(
        jobIds.flatMap((id) => {
          const row = found.get(joined.get(id) ?? id);
          const failure = row === undefined ? null : failureOf(row);
          return failure === null ? [] : [[id, { ...failure, attempt: row?.attempt ?? 0 }]];
        }),
      );
    },
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

async function progressOf(
  { findings }: Pick<BuildsContext, 'findings'>,
  attempts: readonly AttemptName[],
): Promise<Map<string, BuildProgress>> {
  const found = new Map<string, BuildProgress>();
  for (const { jobId, attempt } of attempts) {
    found.set(jobId, (await findings.of({ jobId, attempt })).progress);
  }
  return found;
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
  const { database, clock } = context;
  const request = await findRequestRow(database, requestId);
  if (request === undefined) {
    return undefined;
  }
  const now = clock.now();
  const jobs = await jobRowsOf(database, requestId);
  const needs = new Map<string, string[]>();
  for (const { job_id, needs_job_id } of await needsOfRequest(database, requestId)) {
    needs.set(job_id, [...(needs.get(job_id) ?? []), needs_job_id]);
  }
  const running = jobs.filter(({ state }) => state === 'leased');
  const packages = [...new Set(jobs.map(({ name }) => packageOf(name)))];
  return makeTimeline({
    jobs,
    needs,
    attempts: await attemptsOfRequest(database, requestId),
    estimates: await estimatesFor(context, packages, request.profile),
    progress: await progressOf(
      context,
      running.map(({ id, attempt }) => ({ jobId: id, attempt })),
    ),
    agents: request.finished_at === null ? await liveAgents(context, live) : [],
    busyUntil: request.finished_at === null ? await busyElsewhere(context, requestId) : new Map(),
    now,
  });
}

async function estimatesFor(
  { database }: Pick<BuildsContext, 'database'>,
  packages: readonly string[],
  profile: string,
): Promise<ReadonlyMap<string, Estimate>> {
  return estimateAll(packages, await knownTimes(database, profile, packages));
}

async function liveAgents(
  { database, clock }: Pick<BuildsContext, 'database' | 'clock'>,
  live: LiveView,
): Promise<AgentRecord[]> {
  const held = await leasedJobsByAgent(database);
  const waiting = live.waiting();
  const now = clock.now();
  return (await agentRows(database))
    .map((row) => toAgent(row, held.get(row.name) ?? []))
    .filter(({ name, lastSeenAt }) => waiting.has(name) || lastSeenAt > now - LIVE_AGENT_MS);
}

/** Agent -> when it will be done with what it builds for other requests. */
async function busyElsewhere(
  context: Pick<BuildsContext, 'database' | 'clock'>,
  requestId: string,
): Promise<Map<string, number>> {
  const now = context.clock.now();
  const busy = new Map<string, number>();
  const running = await runningJobs(context.database);
  for (const job of running.filter(({ request_id }) => request_id !== requestId)) {
    const name = packageOf(job.name);
    const estimate = (await estimatesFor(context, [name], job.profile)).get(name);
    const left = estimate && leftOf(estimate, { elapsedMs: now - job.begun_at, share: undefined });
    const agent = job.agent ?? '';
    busy.set(agent, Math.max(busy.get(agent) ?? 0, now + (left ?? 0)));
  }
  return busy;
}
