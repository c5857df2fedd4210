import type { AttemptHistoryRow } from '../database/tables.ts';
import type { BuildFailure } from '../gentoo/build-failure.ts';

/** What came of one attempt at a package. Times are epoch milliseconds. */
export interface AttemptRecord {
  readonly jobId: string;
  readonly attempt: number;
  readonly requestId: string;
  readonly profile: string;
  /** The CPV. */
  readonly name: string;
  /** `category/pn`. */
  readonly package: string;
  readonly agent: string;
  readonly startedAt: number;
  readonly finishedAt: number;
  /** `succeeded`, `failed`, `cancelled`, or how it was lost: `vanished`, `undelivered`, `unstaged`. */
  readonly outcome: string;
  readonly logBytes: number | null;
  readonly packageBytes: number | null;
  readonly failure: BuildFailure | null;
}

export interface HistoryFilter {
  readonly profile?: string;
  readonly package?: string;
  readonly agent?: string;
  /** Only what has ended since. */
  readonly since?: number;
}

export const HISTORY_GROUPINGS = ['package', 'profile', 'agent'] as const;
export type HistoryGrouping = (typeof HISTORY_GROUPINGS)[number];

/** All attempts of a package, a profile or an agent. Averages are over those that have succeeded. */
export interface HistoryGroup {
  readonly name: string;
  readonly attempts: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly spentMs: number;
  readonly averageMs: number | null;
  readonly longestMs: number | null;
  readonly averageBytes: number | null;
  readonly lastAt: number;
}

export function toRecord(row: AttemptHistoryRow): AttemptRecord {
  return {
    jobId: row.job_id,
    attempt: row.attempt,
    requestId: row.request_id,
    profile: row.profile,
    name: row.name,
    package: row.package,
    agent: row.agent,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    outcome: row.outcome,
    logBytes: row.log_bytes,
    packageBytes: row.package_bytes,
    failure: failureOf(row),
  };
}

export function failureOf(row: AttemptHistoryRow): BuildFailure | null {
  const { error_text: text, error_line: line, error_offset: offset } = row;
  return text === null || line === null || offset === null
    ? null
    : { phase: row.failed_phase, text, line, offset };
}
