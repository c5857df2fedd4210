/** The rows of the build farm: requests, jobs, attempts, agents and what is known of builds. */

export interface RequestRow {
  readonly id: string;
  readonly profile: string;
  readonly atoms_json: string;
  readonly rebuild: number;
  /** A list of `ResolveOption`. */
  readonly resolve_json: string;
  readonly publish_channel: string | null;
  /** Whether it is published without the proof that a promotion would need. */
  readonly publish_forced: number;
  /** Why it is published; empty for what it builds. */
  readonly publish_reason: string;
  /** Whether what breaks nothing is published when not everything can be. */
  readonly publish_partial: number;
  /** When it had ended before it was to be published: it replaces nothing that is newer. */
  readonly publish_not_over: number | null;
  readonly state: string;
  readonly reason: string | null;
  readonly author: string;
  readonly created_at: number;
  readonly finished_at: number | null;
  /** The profile as it was when the request was made. */
  readonly profile_json: string;
  readonly plan_json: string | null;
  /** Who asked for it to be cancelled; the jobs under way are told so. */
  readonly cancelled_by: string | null;
  readonly priority: number;
  /** Since when none of its jobs is handed out; null when it is not paused. */
  readonly paused_at: number | null;
  readonly paused_by: string | null;
  readonly pause_reason: string | null;
  /** Packages that are blocked are tried again for it. */
  readonly retry_blocked: number;
}

export interface JobRow {
  readonly id: string;
  readonly request_id: string;
  readonly kind: 'plan' | 'package';
  /** Place in the plan, for display and as the tie-breaker of the queue. */
  readonly position: number;
  /** The CPV, or `plan`. */
  readonly name: string;
  readonly executor: string;
  readonly spec_json: string;
  readonly state: string;
  readonly reason: string | null;
  readonly attempt: number;
  readonly agent: string | null;
  readonly lease_expires_at: number | null;
  readonly created_at: number;
  readonly started_at: number | null;
  readonly finished_at: number | null;
  readonly package_id: string | null;
  /** What it built, when retention has removed that since. */
  readonly collected_package_id: string | null;
  /** Which agents can do it; null until it has been given its place in the queue. */
  readonly lane: string | null;
  /** Its place in the queue, the smallest first; see `builds/schedule-policy.ts`. */
  readonly turn: number | null;
  readonly estimate_ms: number | null;
  readonly estimate_source: string | null;
  /** Its request is paused. */
  readonly is_held: number;
  /**
   * Nobody gets it before this moment. It is set only while it is `ready` after an attempt that was somebody's fault:
   * those are the jobs that some agents have to pass over.
   */
  readonly not_before: number | null;
  /** Why it is built although the plan did not come to it; a sentence. Null for what it did come to. */
  readonly because: string | null;
  /** Digest of what is known to decide how the build ends; null when nothing is, as for a plan. */
  readonly inputs: string | null;
  /** Of a package that Portage builds, a `JobIngredients`. */
  readonly ingredients_json: string | null;
  /** Digest over all of them, once what it is built with is there: the `inputs` of the package that comes of it. */
  readonly full_inputs: string | null;
  /** The job of another request that builds this one as well, or has built it; `builds/join-jobs.ts`. */
  readonly joined_job_id: string | null;
}

/** What jobs need of an agent; jobs with the same needs share one. */
export interface LaneRow {
  /** Digest of the rest. */
  readonly id: string;
  readonly profile: string;
  readonly needs_json: string;
  readonly is_giant: number;
}

/** What successful builds of a package have taken on a profile: how long the next one takes, and what it may take. */
export interface PackageTimesRow {
  readonly profile: string;
  /** `category/name`, or `plan`. */
  readonly package: string;
  /** Empty for `plan`, which stands for no other. */
  readonly category: string;
  /** The newest times, in milliseconds, the last one last. */
  readonly recent_json: string;
  /** Their middle; null when no time is known. */
  readonly typical_ms: number | null;
  readonly measured_at: number;
  /** How many the most of each of these is from. */
  readonly runs: number;
  readonly longest_ms: number;
  readonly longest_silence_ms: number;
  readonly largest_log_bytes: number;
  readonly largest_disk_bytes: number;
}

/** No job for this profile is handed out. */
export interface ProfilePauseRow {
  readonly profile: string;
  readonly author: string;
  readonly reason: string;
  readonly paused_at: number;
}

/** `job_id` cannot start before `needs_job_id` has succeeded. */
export interface JobNeedRow {
  readonly job_id: string;
  readonly needs_job_id: string;
}

export interface AttemptRow {
  readonly job_id: string;
  readonly attempt: number;
  readonly agent: string;
  readonly started_at: number;
  /** The agent's first word about this attempt; null while nothing shows that the lease has reached it. */
  readonly heard_at: number | null;
  readonly finished_at: number | null;
  readonly outcome: string | null;
  readonly reason: string | null;
  /**
   * Whose fault it is that the attempt gave nothing; null when it is nobody's. An agent with such an attempt does not
   * get the job again while another one could do it.
   */
  readonly fault: 'package' | 'machine' | null;
  /** What the agent called the failure, kebab-case. */
  readonly code: string | null;
  /** When its log last grew, to a few seconds. */
  readonly log_at: number | null;
  /** The limits that its agent was told. */
  readonly limits_json: string | null;
}

/** A build that failed for good: the same package with the same inputs is not tried again. */
export interface BlockedBuildRow {
  readonly profile: string;
  readonly cpv: string;
  /** `inputs` of the job. */
  readonly inputs: string;
  /** The job whose attempts failed. */
  readonly job_id: string;
  /** A sentence. */
  readonly reason: string;
  readonly blocked_at: number;
}

/** A schedule of a profile, once the server has seen it. */
export interface ScheduleRow {
  readonly profile: string;
  readonly name: string;
  /** What it said when `done_until` was set: another policy starts anew from then on. */
  readonly policy: string;
  /** Every planned time up to this one has a run, or came while it was paused. */
  readonly done_until: number;
  readonly paused_at: number | null;
  readonly paused_by: string | null;
}

/** One planned time of a schedule, and what became of it. */
export interface ScheduleRunRow {
  readonly profile: string;
  readonly name: string;
  readonly planned_at: number;
  readonly started_at: number | null;
  readonly finished_at: number | null;
  /**
   * `starting` is noted before anything is done; `interrupted` was cut off by the end of the server; `skipped` came while
   * the run before it was under way; `missed` while the server was down.
   */
  readonly state:
    | 'starting'
    | 'running'
    | 'done'
    | 'failed'
    | 'cancelled'
    | 'interrupted'
    | 'skipped'
    | 'missed';
  /** A sentence. */
  readonly reason: string | null;
  readonly request_id: string | null;
  readonly work_json: string;
  readonly actor: string;
}

/** An attempt that has ended; kept longer than all that it refers to. */
export interface AttemptHistoryRow {
  readonly job_id: string;
  readonly attempt: number;
  readonly request_id: string;
  readonly profile: string;
  readonly kind: 'plan' | 'package';
  /** The CPV, or `plan`. */
  readonly name: string;
  /** `category/pn`, or `plan`. */
  readonly package: string;
  readonly executor: string;
  readonly agent: string;
  readonly started_at: number;
  readonly finished_at: number;
  readonly outcome: string;
  /** Null when there is no log, or nobody looked. */
  readonly log_bytes: number | null;
  /** Of what it has built. */
  readonly package_bytes: number | null;
  readonly failed_phase: string | null;
  /** The first real error of a failed one: the line, its number from 1 on, and where it begins. */
  readonly error_text: string | null;
  readonly error_line: number | null;
  readonly error_offset: number | null;
}

export interface RequestPackageRow {
  readonly request_id: string;
  readonly package_id: string;
  readonly how: 'built' | 'reused';
  /** Why it was not published with the others; a sentence. */
  readonly left_out: string | null;
}

export interface AgentRow {
  readonly name: string;
  readonly description_json: string;
  readonly registered_at: number;
  readonly last_seen_at: number;
  /** Where it builds, as it said last. */
  readonly disk_free_bytes: number | null;
  /**
   * `drained` (by an administrator) and `taken-out` (by the circuit breaker) get no new job; a `taken-out` one that
   * holds none gets a single trial job once `trial_at` has come.
   */
  readonly state: 'active' | 'drained' | 'taken-out';
  /** Why it is not active; a sentence. */
  readonly state_reason: string | null;
  /** When it last changed; of an active agent, failures before this moment count no more. */
  readonly state_since: number | null;
  readonly trial_at: number | null;
  /** Trials in a row that failed, for the back-off of the next. */
  readonly trials: number;
}
