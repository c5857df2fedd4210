/** What a rollout may do, and what it does when something goes wrong. Part of the plan, and so of its identity. */
export interface RolloutPolicy {
  /** How many units may be under way at the same time; null: no limit. */
  readonly limits: {
    readonly total: number | null;
    readonly perSite: number | null;
    readonly perRack: number | null;
    /** Nodes that fetch from the farm at the same time. */
    readonly perBinhost: number | null;
  };
  /** Kind 2: `strict` waits for all farms before the next index; `farm` lets each farm go on by itself. */
  readonly barrier: 'strict' | 'farm';
  /** Kind 1: parts of the fleet, each above 0 and at most 1, growing; the last is 1. */
  readonly waves: readonly number[];
  readonly hasCanary: boolean;
  /** How long to watch after a stage of canaries, and after another stage, seconds. */
  readonly canarySoakSeconds: number;
  readonly soakSeconds: number;
  /** Failed units; one more than this pauses the rollout. Canaries have none. */
  readonly budget: {
    readonly perFarm: number;
    readonly perProfile: number;
    readonly total: number;
  };
  /** What becomes of a unit that failed: its steps are undone, or it is held as it is. */
  readonly onFailure: 'undo' | 'hold';
  /** PHP activation: out of the balancer first, or under traffic. mod_php is always drained. */
  readonly phpDrain: boolean;
  /** When requests in flight do not end in time. */
  readonly drainSeconds: number;
  /** How long a node may take to come back from a restart. */
  readonly rebootSeconds: number;
  readonly onDrainTimeout: 'fail' | 'cut';
  /** Kind 3: where new sessions may go while both versions serve. */
  readonly newSessions: 'upgraded-only' | 'any-with-floor';
  readonly snapshot: 'none' | 'lvm' | 'btrfs';
  /** Steps that visitors might notice begin in the site's windows only. */
  readonly obeysWindows: boolean;
  /**
   * Where a person has to say yes, to the plan's hash. `second`: before the start too, by another person than `start`. For kind 3 the
   * stage of the first farm is the canary.
   */
  readonly approvals: readonly ('start' | 'second' | 'after-canary' | 'each-stage')[];
  /** How old what a node has said of itself may be, seconds. */
  readonly freshSeconds: number;
  /** Judged before each unit and after each stage; see `gates/`. */
  readonly gates: readonly GateName[];
}

export const GATE_NAMES = [
  'balancer',
  'local-checks',
  'peers',
  'error-rate',
  'latency',
  'saturation',
  'alerts',
] as const;
export type GateName = (typeof GATE_NAMES)[number];

export const DEFAULT_POLICY: RolloutPolicy = {
  limits: { total: null, perSite: null, perRack: null, perBinhost: null },
  barrier: 'strict',
  waves: [0.01, 0.05, 0.25, 1],
  hasCanary: true,
  canarySoakSeconds: 600,
  soakSeconds: 60,
  budget: { perFarm: 0, perProfile: 1, total: 2 },
  onFailure: 'undo',
  phpDrain: true,
  drainSeconds: 60,
  rebootSeconds: 900,
  onDrainTimeout: 'fail',
  newSessions: 'any-with-floor',
  snapshot: 'none',
  obeysWindows: true,
  approvals: ['start'],
  freshSeconds: 3600,
  gates: ['balancer', 'local-checks', 'peers'],
};
