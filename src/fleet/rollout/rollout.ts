import type { RolloutKind, RolloutPlan } from '../plan/plan.ts';
import type { RolloutPolicy } from '../plan/policy.ts';

/** draft -> running <-> paused -> done | done-with-held; running, paused -> aborting -> aborted; draft -> discarded. */
export const ROLLOUT_STATES = [
  'draft',
  'running',
  'paused',
  'aborting',
  'aborted',
  'done',
  'done-with-held',
  'discarded',
] as const;
export type RolloutState = (typeof ROLLOUT_STATES)[number];

export const UNIT_STATES = [
  'waiting',
  'running',
  'undoing',
  'done',
  /** Failed, and all is as before. */
  'undone',
  /** Somebody has to look at it: it does not serve, or nobody knows. */
  'held',
  /** Never begun: the rollout was aborted, or its farm had another member out. */
  'skipped',
] as const;
export type UnitState = (typeof UNIT_STATES)[number];

/** Asked for with `rollout plan`. */
export interface RolloutRequest {
  readonly kind: RolloutKind | 'os';
  /** Publications, `<profile>/<channel>[@<serial>]`; a PHP tree's version or id; a release. */
  readonly targets: readonly string[];
  readonly scope: {
    readonly sites: readonly string[];
    readonly farms: readonly string[];
    readonly nodes: readonly string[];
  };
  readonly policy: Partial<RolloutPolicy>;
  readonly reason: string;
  /** Plans as always, and keeps nothing: what comes back is in the state `draft`, and `get` does not find it. */
  readonly isDryRun?: boolean;
}

export interface RolloutRecord {
  /** The plan's id; a plan is rolled out once. */
  readonly id: string;
  readonly plan: RolloutPlan;
  readonly state: RolloutState;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly reason: string;
  /** Why it is paused, aborting or aborted; null otherwise. */
  readonly because: string | null;
  readonly stage: string | null;
  readonly units: readonly UnitRecord[];
  readonly approvals: readonly Approval[];
}

export interface UnitRecord {
  readonly unit: string;
  readonly stage: string;
  readonly state: UnitState;
  /** The step under way or the last one. */
  readonly step: string | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Why it failed, is held or was skipped. */
  readonly because: string | null;
}

export interface Approval {
  /** `start`, or the stage that it lets begin. */
  readonly of: string;
  readonly by: string;
  readonly at: number;
}

/** Why something does not go on. */
export interface WaitReason {
  /** `approval`, `window`, `soak`, `limit`, `budget`, `farm-weakened`, `gate`, `node-step`, `paused`, ... */
  readonly kind: string;
  readonly unit: string | null;
  readonly sentence: string;
  /** When it goes on by itself, if that is known. */
  readonly until: number | null;
}

/** A node that no rollout touches until somebody gives it free. */
export interface HeldNode {
  readonly node: string;
  readonly rollout: string;
  readonly because: string;
  readonly since: number;
}

/** Asked for with `fleet release`. */
export interface Release {
  readonly node: string;
  readonly reason: string;
  /** Without a look at the node. */
  readonly isForced: boolean;
}

/** What the monitor of a rollout saw when something was last different, or a minute ago. */
export interface MonitorReading {
  /** Epoch milliseconds. */
  readonly at: number;
  /** Each of `plan/invariants.ts`, with what speaks against it now, a sentence each. */
  readonly invariants: readonly {
    readonly name: string;
    readonly sentence: string;
    readonly violations: readonly string[];
    /** Why nobody can tell whether it holds everywhere, a sentence; null: it was looked at. */
    readonly unseen: string | null;
  }[];
  /** The farms of the plan, as balancers see their members. */
  readonly farms: readonly {
    readonly farm: string;
    readonly serving: number;
    readonly out: number;
    readonly maxOut: number;
  }[];
}

/** A plan that is being made on this server: for thousands of nodes it takes some seconds. */
export interface PlanUnderWay {
  readonly kind: RolloutRequest['kind'];
  readonly targets: readonly string[];
  readonly by: string;
  /** Epoch milliseconds. */
  readonly since: number;
  /** How many nodes it looks at; 0 while they are being counted. */
  readonly nodes: number;
  readonly doing: 'reading' | 'planning' | 'writing';
}

/** What the API and the pages call. Every deed is in the journal: kind `rollout-...`, subject `rollout:<id>`. */
export interface RolloutService {
  /** Pins, classifies, plans, keeps as a draft. Throws `rollout-refused` with every problem in `details.problems`. */
  plan(request: RolloutRequest, actor: string): Promise<RolloutRecord>;
  /** Plans that this server makes at the moment. */
  planning(): readonly PlanUnderWay[];
  list(): Promise<readonly RolloutRecord[]>;
  /** Throws `rollout-unknown`. A prefix of the id is enough when only one begins with it. */
  get(id: string): Promise<RolloutRecord>;
  approve(id: string, of: string, actor: string): Promise<RolloutRecord>;
  /** Throws `rollout-not-approved`, `rollout-state`, `rollout-locked` (who has the lock, since when, at which step). */
  start(id: string, actor: string): Promise<RolloutRecord>;
  pause(id: string, reason: string, actor: string): Promise<RolloutRecord>;
  resume(id: string, actor: string): Promise<RolloutRecord>;
  abort(id: string, reason: string, actor: string): Promise<RolloutRecord>;
  /** A new draft that takes back what this one has done. */
  rollback(id: string, reason: string, actor: string): Promise<RolloutRecord>;
  why(id: string): Promise<readonly WaitReason[]>;
  /** Null when it is not watched: it has not begun, or has ended. */
  monitor(id: string): Promise<MonitorReading | null>;
  held(): Promise<readonly HeldNode[]>;
  /**
   * Gives a held node free, and balancers take it in again: it has what is right and passes its checks, or whoever says so by force
   * answers for it. Throws `node-not-held`, `node-not-ready`.
   */
  release(release: Release, actor: string): Promise<void>;
}
