import type { SchedulePolicy } from '../../gentoo/schedule-policy.ts';
import type { ScheduleKey } from './due-times.ts';
import type { RunRow } from './schedule-store.ts';

/** One planned time of a schedule, and what became of it. Times are in milliseconds since the epoch. */
export interface ScheduledRun {
  readonly plannedAt: number;
  /** Null when nothing was begun: it was missed or skipped. */
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly state: RunRow['state'];
  /** A sentence. */
  readonly reason: string | null;
  readonly requestId: string | null;
  /** `server`, or who asked for it by hand. */
  readonly actor: string;
}

export interface ScheduleRecord extends ScheduleKey {
  readonly policy: SchedulePolicy;
  readonly pausedAt: number | null;
  readonly pausedBy: string | null;
  /** When the next runs begin, jitter included; none while it is paused. */
  readonly next: readonly number[];
  /** Newest first. */
  readonly runs: readonly ScheduledRun[];
}

/** What the other rooms may ask of the schedules. */
export interface Schedules {
  /** Those of all profiles, with as many of their last runs. */
  list(lastRuns: number): Promise<ScheduleRecord[]>;
  /** Begins a run at once, also of one that is paused. Throws `unknown-schedule`, `schedule-running`. */
  run(key: ScheduleKey, actor: string): Promise<ScheduledRun>;
  /** No run begins by itself until it is resumed. Throws `unknown-schedule`, `schedule-paused`. */
  pause(key: ScheduleKey, actor: string): Promise<void>;
  /** What was planned meanwhile is not made up for. Throws `unknown-schedule`, `schedule-not-paused`. */
  resume(key: ScheduleKey, actor: string): Promise<void>;
}

export function toRun(row: RunRow): ScheduledRun {
  return {
    plannedAt: row.planned_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    state: row.state,
    reason: row.reason,
    requestId: row.request_id,
    actor: row.actor,
  };
}
