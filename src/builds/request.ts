import type { Executor } from '../gentoo/profile.ts';

export const REQUEST_STATES = [
  'planning',
  'building',
  'publishing',
  'done',
  'failed',
  'cancelled',
] as const;
export type RequestState = (typeof REQUEST_STATES)[number];
export const FINAL_REQUEST_STATES: readonly RequestState[] = ['done', 'failed', 'cancelled'];

/** What somebody asked to have built. */
export interface BuildRequest {
  readonly id: string;
  readonly profile: string;
  /** Atoms and @sets, as they were given. */
  readonly atoms: readonly string[];
  /** Build the named packages again even if the repository has them. */
  readonly rebuild: boolean;
  /** The channel to publish the results on, if any. */
  readonly publish: string | null;
  readonly state: RequestState;
  /** Why it failed, was cancelled, or waits; a sentence. */
  readonly reason: string | null;
  readonly author: string;
  readonly createdAt: number;
  readonly finishedAt: number | null;
}

export const JOB_STATES = [
  'waiting',
  'ready',
  'leased',
  'succeeded',
  'failed',
  'skipped',
  'cancelled',
] as const;
export type JobState = (typeof JOB_STATES)[number];
export const FINAL_JOB_STATES: readonly JobState[] = [
  'succeeded',
  'failed',
  'skipped',
  'cancelled',
];

/** One package to build on one agent, or the making of the plan. */
export interface Job {
  readonly id: string;
  readonly requestId: string;
  readonly kind: 'plan' | 'package';
  readonly position: number;
  readonly name: string;
  readonly executor: Executor;
  readonly state: JobState;
  /** Why it waits, failed or was skipped; a sentence. Never null while it waits. */
  readonly reason: string | null;
  /** Number of the present or last attempt; 0 before the first. */
  readonly attempt: number;
  readonly agent: string | null;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly packageId: string | null;
  readonly needs: readonly string[];
}
