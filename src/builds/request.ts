import type { Executor } from '../gentoo/profile.ts';
import type { ResolveOption } from '../gentoo/resolve-options.ts';
import type { Why } from './waiting-reason.ts';

export const REQUEST_STATES = [
  'planning',
  'building',
  'publishing',
  'done',
  'partial',
  'failed',
  'cancelled',
] as const;
export type RequestState = (typeof REQUEST_STATES)[number];
export const FINAL_REQUEST_STATES: readonly RequestState[] = [
  'done',
  'partial',
  'failed',
  'cancelled',
];

/** What somebody asked to have built. */
export interface BuildRequest {
  readonly id: string;
  readonly profile: string;
  /** Atoms and @sets, as they were given. */
  readonly atoms: readonly string[];
  /** Build the named packages again even if the repository has them. */
  readonly rebuild: boolean;
  /** With these options of emerge; none with the executor `source`. */
  readonly resolve: readonly ResolveOption[];
  /** The channel to publish the results on, if any. */
  readonly publish: string | null;
  /** When not everything can be published, what breaks nothing is. */
  readonly partial: boolean;
  /** `partial`: only a part of it is published. */
  readonly state: RequestState;
  /** Why it failed, was cancelled, or waits; a sentence. */
  readonly reason: string | null;
  readonly author: string;
  readonly createdAt: number;
  readonly finishedAt: number | null;
  /** From -10 to 10; each step counts as much as having been asked for a day earlier. */
  readonly priority: number;
  /** None of its jobs is handed out; null when it is not paused. */
  readonly paused: {
    readonly by: string;
    readonly reason: string;
    readonly pausedAt: number;
  } | null;
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
  /** Why it is built although the plan did not come to it; a sentence. */
  readonly because: string | null;
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

/** A job with why it stands where it stands. */
export interface ExplainedJob extends Job {
  readonly why: Why;
}

/** How many jobs of a request are in which state. */
export type JobCounts = Readonly<Partial<Record<JobState, number>>>;

/** What comes of a request, given its jobs: nothing yet while one of them is not final. */
export type Conclusion =
  | { readonly state: 'open' }
  | { readonly state: 'done' | 'publishing' }
  | { readonly state: 'publishing' | 'failed' | 'cancelled'; readonly reason: string };

export function concludeRequest(
  request: {
    readonly publish: string | null;
    readonly partial: boolean;
    readonly cancelledBy: string | null;
  },
  jobs: {
    readonly counts: JobCounts;
    /** Package jobs alone. */
    readonly built: number;
    readonly total: number;
    readonly firstFailure: Pick<Job, 'kind' | 'name' | 'reason'> | undefined;
  },
): Conclusion {
  const { counts, built, total } = jobs;
  if (hasOpen(counts)) {
    return { state: 'open' };
  }
  const tally = tallyOf(built, total);
  if (request.cancelledBy !== null) {
    return { state: 'cancelled', reason: `Cancelled by ${request.cancelledBy}; ${tally}.` };
  }
  const first = jobs.firstFailure;
  if (first?.kind === 'plan' && total === 0) {
    return { state: 'failed', reason: `No plan could be made. ${first.reason ?? ''}`.trimEnd() };
  }
  const isPublished = request.publish !== null;
  if (first !== undefined) {
    return {
      state: isPublished && request.partial ? 'publishing' : 'failed',
      reason: `${tally}. First failure: ${first.name}. ${first.reason ?? ''}`.trimEnd(),
    };
  }
  return { state: isPublished ? 'publishing' : 'done' };
}

function tallyOf(built: number, total: number): string {
  return total === 1
    ? `${built} of 1 package was built`
    : `${built} of ${total} packages were built`;
}

function hasOpen(counts: JobCounts): boolean {
  return JOB_STATES.some((state) => !FINAL_JOB_STATES.includes(state) && (counts[state] ?? 0) > 0);
}
