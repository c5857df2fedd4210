/**
 * The tables, as their rows are read. Times are epoch milliseconds, unless a name ends in `_seconds`; booleans
 * are 0 or 1; `json` columns hold JSON text. Only the portable subset of SQL is used on them.
 */
import type { Generated } from 'kysely';

export interface PackageRow {
  readonly id: string;
  readonly profile: string;
  readonly category: string;
  readonly pn: string;
  readonly cpv: string;
  readonly slot: string;
  readonly build_id: number;
  /** Relative to the binhost of the profile: `<category>/<pn>/<pf>-<build id>.gpkg.tar`. */
  readonly path: string;
  readonly size: number;
  readonly md5: string;
  readonly sha1: string;
  /** Digest of the signed file: its name in the pool. */
  readonly sha512: string;
  readonly mtime_seconds: number;
  readonly build_time_seconds: number;
  /**
   * Digest of the file as it was uploaded, before BUILD_ID and signatures were put in. Of what was signed again, a
   * digest that no file has.
   */
  readonly upload_sha512: string;
  /** Fingerprint of the key that signed it. */
  readonly key_fingerprint: string;
  /** Digest over everything that went into the build, when the builder knew it. */
  readonly inputs: string | null;
  /** `job:<id>`, `push:<token name>`, `incoming`, or `profile:<name>` for the file of another profile. */
  readonly origin: string;
  readonly metadata_json: string;
  /** The entry of this package in a `Packages` index, as it is written. */
  readonly stanza: string;
  /** CPV and DESCRIPTION in lower case: what a search looks at. */
  readonly search_text: Generated<string>;
  readonly imported_at: number;
}

export interface BuildIdRow {
  readonly profile: string;
  readonly cpv: string;
  readonly last_build_id: number;
}

export interface SnapshotRow {
  readonly id: string;
  readonly profile: string;
  readonly created_at: number;
  readonly author: string;
  readonly reason: string;
  /** What it was made from: `request:<id>`, `publish`, `snapshot:<id>`. */
  readonly origin: string;
  readonly package_count: number;
}

/** A run of packages in the order of an index; see docs/decisions/0009. It never changes. */
export interface BlockRow {
  /** Digest of the ids of its packages. */
  readonly id: string;
  readonly package_count: number;
  readonly last_cpv: string;
  readonly last_build_id: number;
  /** The categories that occur, between spaces. */
  readonly categories: string;
}

export interface SnapshotBlockRow {
  readonly snapshot_id: string;
  readonly position: number;
  readonly block_id: string;
}

export interface BlockPackageRow {
  readonly block_id: string;
  readonly position: number;
  readonly package_id: string;
}

/** The text of a block in an index was checked, and packed. */
export interface BlockTextRow {
  readonly block_id: string;
  /** The lines that its entries leave to the header of the index. */
  readonly inherited: string;
  /** SHA-256 of the text, and of the gzip member that holds it. */
  readonly sha256: string;
  readonly packed_sha256: string;
}

/** Of each category/pn:slot the newest version. Derived from `packages`; see `newest-store.ts`. */
export interface NewestPackageRow {
  readonly profile: string;
  readonly category: string;
  readonly pn: string;
  /** Without sub-slot. */
  readonly slot: string;
  readonly package_id: string;
  /** Grows with every change within the profile. */
  readonly revision: number;
}

/** The profile has its `newest_packages`. */
export interface NewestViewRow {
  readonly profile: string;
  /** Packages of the profile that were looked at. */
  readonly package_count: number;
  /** The snapshot that was made of all rows up to this revision. */
  readonly snapshot_id: string | null;
  readonly snapshot_revision: number;
}

export interface PublicationRow {
  readonly profile: string;
  readonly channel: string;
  readonly serial: number;
  readonly snapshot_id: string;
  readonly timestamp_seconds: number;
  readonly created_at: number;
  readonly author: string;
  readonly reason: string;
  readonly kind: 'publish' | 'promote' | 'rollback';
  readonly request_id: string | null;
  /** What its proof lacked when it was promoted all the same; null for everything else. */
  readonly forced_json: string | null;
}

/** The newest report of a node about a profile. */
export interface NodeReportRow {
  readonly node: string;
  readonly profile: string;
  readonly channel: string;
  /** TIMESTAMP of the index that the node has; null when it has none. */
  readonly timestamp_seconds: number | null;
  /** The publication with this TIMESTAMP, when there is one. */
  readonly serial: number | null;
  readonly reported_at: number;
  readonly installed_count: number;
  readonly installed_json: string;
  /** Of what the gate looks at in it; null in a report of before. */
  readonly installed_digest: string | null;
  readonly checks_json: string;
  /** Installed packages that are not those of the publication. */
  readonly differs: number;
  /** The first of these, a sentence each. */
  readonly differences_json: string;
}

/** What a node has said about a publication, the newest word. */
export interface PublicationProofRow {
  readonly profile: string;
  readonly channel: string;
  readonly serial: number;
  readonly node: string;
  /** Since when its reports, without one that failed in between, prove this publication; null when the newest does not. */
  readonly passed_since: number | null;
  readonly last_reported_at: number;
  readonly checks_json: string;
}

/** A publication that stays until it is unpinned. */
export interface PinRow {
  readonly profile: string;
  readonly channel: string;
  readonly serial: number;
  readonly author: string;
  readonly reason: string;
  readonly created_at: number;
}

/** A publication that retention has removed. */
export interface CollectedPublicationRow {
  readonly profile: string;
  readonly channel: string;
  readonly serial: number;
  readonly collected_at: number;
}

/** A package that retention has removed. */
export interface CollectedPackageRow {
  readonly id: string;
  readonly profile: string;
  readonly cpv: string;
  readonly build_id: number;
  readonly collected_at: number;
}

export interface RequestRow {
  readonly id: string;
  readonly profile: string;
  readonly atoms_json: string;
  readonly rebuild: number;
  readonly publish_channel: string | null;
  /** Whether it is published without the proof that a promotion would need. */
  readonly publish_forced: number;
  /** Why it is published; empty for what it builds. */
  readonly publish_reason: string;
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
  /** Digest of what is known to decide how the build ends; null when nothing is, as for a plan. */
  readonly inputs: string | null;
}

/** What jobs need of an agent; jobs with the same needs share one. */
export interface LaneRow {
  /** Digest of the rest. */
  readonly id: string;
  readonly profile: string;
  readonly needs_json: string;
  readonly is_giant: number;
}

/** How long a package takes to build, in milliseconds. */
export interface BuildTimeRow {
  readonly profile: string;
  /** category/name. */
  readonly package: string;
  readonly category: string;
  /** The newest times. */
  readonly recent_json: string;
  readonly typical_ms: number;
  readonly measured_at: number;
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

/** The most that successful builds of a package have taken; what limits are learned from. */
export interface MeasuredRunRow {
  readonly profile: string;
  /** category/pn */
  readonly package: string;
  readonly runs: number;
  readonly longest_ms: number;
  readonly longest_silence_ms: number;
  readonly largest_log_bytes: number;
  readonly largest_disk_bytes: number;
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

export interface TokenRow {
  readonly name: string;
  readonly role: string;
  /** SHA-256 of the token. The token itself is kept nowhere. */
  readonly digest: string;
  readonly created_at: number;
  readonly revoked_at: number | null;
}

/** A finding of the gate that an administrator let pass for a publication. */
export interface AllowanceRow {
  readonly profile: string;
  readonly channel: string;
  readonly serial: number;
  readonly finding_id: string;
  readonly kind: string;
  readonly message: string;
  readonly author: string;
  readonly reason: string;
  readonly created_at: number;
}

export interface EventRow {
  readonly seq: Generated<number>;
  readonly at: number;
  readonly kind: string;
  readonly subject: string;
  readonly actor: string;
  readonly data_json: string;
}

/** What is known of the bytes of one file of the pool. */
export interface FileCheckRow {
  readonly sha512: string;
  /** When they were read last, or, of a damaged one, found wrong. */
  readonly checked_at: number;
  readonly state: 'good' | 'damaged';
  /** Of a damaged one: a sentence. */
  readonly reason: string | null;
}

/** What the ELF files in one file of the pool ask of an x86 processor. */
export interface FileLevelRow {
  readonly sha512: string;
  /** As in x86-64-v3; 0 when none says anything. */
  readonly level: number;
  /** The first file that asks for it. */
  readonly path: string;
}

export interface MigrationRow {
  readonly name: string;
  readonly applied_at: number;
}

export interface Tables {
  packages: PackageRow;
  build_ids: BuildIdRow;
  snapshots: SnapshotRow;
  blocks: BlockRow;
  snapshot_blocks: SnapshotBlockRow;
  block_packages: BlockPackageRow;
  block_texts: BlockTextRow;
  newest_packages: NewestPackageRow;
  newest_views: NewestViewRow;
  publications: PublicationRow;
  node_reports: NodeReportRow;
  publication_proofs: PublicationProofRow;
  pins: PinRow;
  collected_publications: CollectedPublicationRow;
  collected_packages: CollectedPackageRow;
  requests: RequestRow;
  jobs: JobRow;
  job_needs: JobNeedRow;
  attempts: AttemptRow;
  attempt_history: AttemptHistoryRow;
  blocked_builds: BlockedBuildRow;
  measured_runs: MeasuredRunRow;
  request_packages: RequestPackageRow;
  schedules: ScheduleRow;
  schedule_runs: ScheduleRunRow;
  agents: AgentRow;
  lanes: LaneRow;
  build_times: BuildTimeRow;
  profile_pauses: ProfilePauseRow;
  tokens: TokenRow;
  events: EventRow;
  allowances: AllowanceRow;
  file_checks: FileCheckRow;
  file_levels: FileLevelRow;
  migrations: MigrationRow;
}
