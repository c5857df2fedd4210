/**
 * The tables, as their rows are read. Times are epoch milliseconds, unless a name ends in `_seconds`; booleans
 * are 0 or 1; `json` columns hold JSON text. Only the portable subset of SQL is used on them.
 */
import type { Generated } from 'kysely';
import type {
  AgentRow,
  AttemptHistoryRow,
  AttemptRow,
  BlockedBuildRow,
  JobNeedRow,
  JobRow,
  LaneRow,
  PackageTimesRow,
  ProfilePauseRow,
  RequestPackageRow,
  RequestRow,
  ScheduleRow,
  ScheduleRunRow,
} from './build-tables.ts';
import type { InventoryRevisionRow, NodeServicesRow } from './fleet-tables.ts';
import type {
  BalancerWishRow,
  HeldNodeRow,
  LiveBackendRow,
  RolloutApprovalRow,
  RolloutLockRow,
  RolloutReadingRow,
  RolloutRow,
  RolloutStageRow,
  RolloutStepRow,
  RolloutUnitRow,
} from './rollout-tables.ts';

export type {
  AgentRow,
  AttemptHistoryRow,
  AttemptRow,
  BlockedBuildRow,
  JobNeedRow,
  JobRow,
  LaneRow,
  PackageTimesRow,
  ProfilePauseRow,
  RequestPackageRow,
  RequestRow,
  ScheduleRow,
  ScheduleRunRow,
} from './build-tables.ts';
export type { InventoryRevisionRow, NodeServicesRow } from './fleet-tables.ts';

export type {
  BalancerWishRow,
  HeldNodeRow,
  LiveBackendRow,
  RolloutApprovalRow,
  RolloutLockRow,
  RolloutReadingRow,
  RolloutRow,
  RolloutStageRow,
  RolloutStepRow,
  RolloutUnitRow,
};

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
  /** The PHP trees that it has; null when it has not said it. */
  readonly php_json: string | null;
  /** What it has said of its system, but for its services; null when it has not. */
  readonly system_json: string | null;
  /** Of its services: see `node_services`. */
  readonly services_digest: string | null;
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
  /** Digest of what its package installs and says of itself; null when it was not looked at since Rookery does that. */
  readonly content: string | null;
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
  node_services: NodeServicesRow;
  publication_proofs: PublicationProofRow;
  inventory_revisions: InventoryRevisionRow;
  pins: PinRow;
  collected_publications: CollectedPublicationRow;
  collected_packages: CollectedPackageRow;
  requests: RequestRow;
  jobs: JobRow;
  job_needs: JobNeedRow;
  attempts: AttemptRow;
  attempt_history: AttemptHistoryRow;
  blocked_builds: BlockedBuildRow;
  request_packages: RequestPackageRow;
  schedules: ScheduleRow;
  schedule_runs: ScheduleRunRow;
  agents: AgentRow;
  lanes: LaneRow;
  package_times: PackageTimesRow;
  profile_pauses: ProfilePauseRow;
  tokens: TokenRow;
  events: EventRow;
  allowances: AllowanceRow;
  file_checks: FileCheckRow;
  file_levels: FileLevelRow;
  rollouts: RolloutRow;
  rollout_stages: RolloutStageRow;
  rollout_units: RolloutUnitRow;
  rollout_steps: RolloutStepRow;
  rollout_approvals: RolloutApprovalRow;
  rollout_locks: RolloutLockRow;
  held_nodes: HeldNodeRow;
  balancer_wishes: BalancerWishRow;
  live_backends: LiveBackendRow;
  rollout_readings: RolloutReadingRow;
  migrations: MigrationRow;
}
