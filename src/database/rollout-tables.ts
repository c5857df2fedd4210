/** The rows of rollouts: what is to be done, what was meant to be done, what became of it. */

export interface RolloutRow {
  /** SHA-256 of the plan. */
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  /** The plan without its stages. */
  readonly head_json: string;
  readonly unit_count: number;
  /** The artefacts that were there before: where a rollback goes. */
  readonly before_json: string;
  readonly created_at: number;
  readonly created_by: string;
  readonly reason: string;
  readonly because: string | null;
  readonly stage: string | null;
  readonly started_at: number | null;
  readonly started_by: string | null;
  /** When a person let it go on last: failed units of before are no part of the budget any more. */
  readonly resumed_at: number | null;
  readonly ended_at: number | null;
  /** Who carries it out: whoever finds another name here has been replaced, and stops. */
  readonly runner: string | null;
  /** What it waited for when its runner looked last. */
  readonly waits_json: string;
}

export interface RolloutStageRow {
  readonly rollout: string;
  readonly position: number;
  readonly stage: string;
  readonly type: string;
  readonly title: string;
  readonly soak_seconds: number;
  /** When its last unit had ended, or was left behind. */
  readonly ended_at: number | null;
  /** When it had been watched long enough, and the gates said yes. */
  readonly passed_at: number | null;
}

export interface RolloutUnitRow {
  readonly rollout: string;
  /** Place in the plan. */
  readonly position: number;
  readonly unit: string;
  readonly stage_position: number;
  readonly unit_json: string;
  readonly state: string;
  readonly step: string | null;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly because: string | null;
}

/** Written before the act, completed after it. */
export interface RolloutStepRow {
  readonly rollout: string;
  /** Position of the unit. */
  readonly unit: number;
  readonly step: string;
  readonly direction: 'do' | 'undo';
  /** Which action of those that take the step back; 0 for `do`. */
  readonly part: number;
  /** Empty for what is not done on a node. */
  readonly node: string;
  readonly intended_at: number;
  readonly ended_at: number | null;
  /** What was found before the act, as far as the result is told by it: the boot id. */
  readonly note: string | null;
  /** `ok`, `cut`, `failed` or `unknown`. */
  readonly outcome: string | null;
  readonly output: string | null;
}

export interface RolloutApprovalRow {
  readonly rollout: string;
  readonly of_stage: string;
  readonly author: string;
  readonly at: number;
}

export interface RolloutLockRow {
  /** `node:<name>` or `site:<name>`. */
  readonly name: string;
  readonly rollout: string;
  readonly owner: string;
  readonly since: number;
}

export interface HeldNodeRow {
  readonly node: string;
  readonly rollout: string;
  readonly because: string;
  readonly since: number;
}

/** What all balancers of a site were told of a server. */
export interface BalancerWishRow {
  readonly site: string;
  /** `member:<node>` or `farm:<farm>:<backend>`. */
  readonly server: string;
  readonly admin_state: string;
  readonly rollout: string;
  readonly since: number;
}

/** Which backend of a site lists the farms that serve; `blue` where there is no row. */
export interface LiveBackendRow {
  readonly site: string;
  readonly backend: string;
  readonly rollout: string;
  readonly since: number;
}

/** What the monitor of a rollout under way saw when something was last different. */
export interface RolloutReadingRow {
  readonly rollout: string;
  readonly reading_json: string;
  readonly at: number;
}
