import type { AttemptRow, JobRow } from '../database/tables.ts';
import { type BuildProgress, shareDone } from '../gentoo/build-phase.ts';
import type { AgentRecord } from './builds.ts';
import { type Estimate, leftOf } from './estimate.ts';
import { criticalPath, type ForecastAgent, forecast, type OpenJob, type Span } from './forecast.ts';
import { packageOf } from './keep-history.ts';

/** Who worked on a request when, and when it will be done. Times are epoch milliseconds. */
export interface Timeline {
  readonly attempts: readonly {
    readonly jobId: string;
    readonly attempt: number;
    readonly agent: string;
    readonly startedAt: number;
    readonly finishedAt: number | null;
    readonly outcome: string | null;
  }[];
  /** When each job that has not ended is expected to run; jobs that no live agent can do are missing. */
  readonly expected: readonly (Span & {
    readonly jobId: string;
    readonly basis: Estimate['basis'];
  })[];
  /** When the last job is expected to end; null when none is open, or one cannot be done. */
  readonly expectedAt: number | null;
  /** The chain of packages, each needing the one before, that takes longest. */
  readonly criticalPath: readonly string[];
  readonly criticalMs: number;
}

export interface TimelineFacts {
  readonly jobs: readonly JobRow[];
  readonly needs: ReadonlyMap<string, readonly string[]>;
  readonly attempts: readonly AttemptRow[];
  /** By `category/pn`. */
  readonly estimates: ReadonlyMap<string, Estimate>;
  /** Of the jobs that run. */
  readonly progress: ReadonlyMap<string, BuildProgress>;
  readonly agents: readonly AgentRecord[];
  /** Agent -> when it is done with the work of other requests. */
  readonly busyUntil: ReadonlyMap<string, number>;
  readonly now: number;
}

const OPEN_STATES = new Set(['waiting', 'ready', 'leased']);
const GUESS: Estimate = { ms: 60_000, basis: 'guessed' };

export function makeTimeline(facts: TimelineFacts): Timeline {
  const open = facts.jobs.filter(({ state }) => OPEN_STATES.has(state));
  const spans = forecast(
    open.map((job) => openJob(job, facts)),
    facts.agents.map((agent) => forecastAgent(agent, facts)),
    facts.now,
  );
  const { ids, ms } = criticalPath(weighedJobs(facts));
  const ends = open.map(({ id }) => spans.get(id)?.endsAt);
  return {
    attempts: facts.attempts.map((row) => ({
      jobId: row.job_id,
      attempt: row.attempt,
      agent: row.agent,
      startedAt: row.started_at,
      finishedAt: row.finished_at,
      outcome: row.outcome,
    })),
    expected: open.flatMap((job) => {
      const span = spans.get(job.id);
      return span === undefined
        ? []
        : [{ jobId: job.id, ...span, basis: estimateOf(job, facts).basis }];
    }),
    expectedAt: latest(ends),
    criticalPath: ids,
    criticalMs: ms,
  };
}

function latest(ends: readonly (number | undefined)[]): number | null {
  let last: number | null = null;
  for (const end of ends) {
    if (end === undefined) {
      return null;
    }
    last = Math.max(last ?? end, end);
  }
  return last === null ? null : Math.round(last);
}

function estimateOf(job: JobRow, { estimates }: TimelineFacts): Estimate {
  return estimates.get(packageOf(job.name)) ?? GUESS;
}

function openJob(job: JobRow, facts: TimelineFacts): OpenJob {
  const estimate = estimateOf(job, facts);
  const begun = facts.attempts.find((row) => row.job_id === job.id && row.finished_at === null);
  const isRunning = job.state === 'leased' || begun !== undefined;
  return {
    id: job.id,
    executor: job.executor,
    ms: isRunning ? leftOf(estimate, begunOf(job, facts)) : estimate.ms,
    agent: isRunning ? (begun?.agent ?? job.agent) : null,
    needs: facts.needs.get(job.id) ?? [],
  };
}

function begunOf(job: JobRow, { attempts, progress, now }: TimelineFacts) {
  const attempt = attempts.findLast((row) => row.job_id === job.id);
  const done = progress.get(job.id);
  return {
    elapsedMs: now - (attempt?.started_at ?? now),
    share: done === undefined ? undefined : shareDone(done),
  };
}

function forecastAgent(agent: AgentRecord, { busyUntil, now }: TimelineFacts): ForecastAgent {
  return {
    name: agent.name,
    executors: agent.executors,
    freeAt: busyUntil.get(agent.name) ?? now,
  };
}

/** Packages that were built or will be; how long they took, or will take. */
function weighedJobs(facts: TimelineFacts) {
  return facts.jobs
    .filter(({ kind, state }) => kind === 'package' && (OPEN_STATES.has(state) || isBuilt(state)))
    .map((job) => ({
      id: job.id,
      ms: weightOf(job, facts),
      needs: facts.needs.get(job.id) ?? [],
    }));
}

function isBuilt(state: string): boolean {
  return state === 'succeeded' || state === 'failed';
}

function weightOf(job: JobRow, facts: TimelineFacts): number {
  if (job.finished_at !== null && job.started_at !== null) {
    return job.finished_at - job.started_at;
  }
  const { ms } = estimateOf(job, facts);
  return job.state === 'leased' ? Math.max(ms, begunOf(job, facts).elapsedMs) : ms;
}
