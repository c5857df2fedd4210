import type { Balancer, Endpoint, Farm, Member, Site } from '../inventory/inventory.ts';
import type { AdminState, Backend, NodeCommand } from '../plan/plan.ts';

/** What the engine works with. Each has a contract test that every implementation passes, the simulated one too. */
export interface Drivers {
  readonly nodes: NodeRunner;
  readonly balancers: BalancerDriver;
  readonly caches: CacheDriver;
  readonly notifier: Notifier;
}

/**
 * Runs steps on nodes, each at most once: the node keeps what became of a step under its id, detached from the connection.
 * Every call throws `node-unreachable` when there is no answer in time: then nothing is known, and nothing was cut off.
 */
export interface NodeRunner {
  /** Returns when the node has taken it on, or had taken it on before. Throws `step-refused` when it will not. */
  start(member: Member, step: NodeStep): Promise<void>;
  state(member: Member, stepId: string): Promise<NodeStepState>;
  /** What serves there now. */
  look(member: Member): Promise<NodeFacts>;
}

export interface NodeStep {
  /** Letters, digits, `.`, `_`, `-`; at most 120. */
  readonly id: string;
  readonly command: NodeCommand;
  readonly timeoutSeconds: number;
  /** Who has asked for it: goes into the node's log. */
  readonly rollout: string;
}

export type NodeStepState =
  | { readonly state: 'absent' }
  | { readonly state: 'running'; readonly seconds: number }
  /** `output`: the end of what it said. */
  | { readonly state: 'done'; readonly exitCode: number; readonly output: string }
  /** It began and there is no result: the node was restarted, or the runner killed. What it has done is not known. */
  | { readonly state: 'interrupted' };

export interface NodeFacts {
  readonly bootId: string;
  readonly kernel: string;
  readonly isWebRunning: boolean;
  readonly phpActive: string | null;
  readonly release: string | null;
  /** TIMESTAMP of the publication that was last merged as a whole, seconds; null: none. */
  readonly mergedTimestamp: number | null;
  /** Of the php-fpm that serves; absent or null: the node cannot say. */
  readonly workers?: PhpWorkers | null;
}

/** As php-fpm's status page has it. */
export interface PhpWorkers {
  /** Connections that wait for a process. */
  readonly queued: number;
  readonly idle: number;
  readonly active: number;
}

export interface BalancerDriver {
  /** All of the changes in one command where the balancer can do that. Throws `balancer-unreachable`, `balancer-refused`. */
  set(site: Site, balancer: Balancer, changes: readonly BalancerChange[]): Promise<void>;
  /** Throws `balancer-unreachable`. */
  read(site: Site, balancer: Balancer): Promise<BalancerReading>;
}

export type BalancerServer =
  | { readonly kind: 'member'; readonly node: string }
  | { readonly kind: 'farm'; readonly farm: string; readonly backend: Backend };

export interface BalancerChange {
  readonly server: BalancerServer;
  readonly to: AdminState;
}

export interface BalancerReading {
  /** Another one than before: the balancer was started anew and may have forgotten what it was told. */
  readonly incarnation: string;
  /** What the configuration says of itself that Rookery has printed; absent: it is another one, and nobody can tell. */
  readonly configured?: BalancerConfiguration;
  readonly servers: readonly (BalancerChange & {
    /** What its checks say. */
    readonly isUp: boolean;
    /** Requests in flight; null when this balancer cannot say. */
    readonly inFlight: number | null;
  })[];
}

/** Which backend the configuration of a balancer takes for the one that serves, and the word of its cookie for the next one. */
export interface BalancerConfiguration {
  readonly live: Backend;
  readonly generation: string;
}

export interface CacheDriver {
  /** Empties it and makes sure that it did. Throws `cache-unreachable`, `cache-not-flushed`. */
  flush(farm: Farm, endpoint: Endpoint): Promise<void>;
}

export interface Notifier {
  /** Never throws: what cannot be told stands in the log and the journal. */
  tell(notice: Notice): Promise<void>;
}

export interface Notice {
  readonly rollout: string;
  readonly urgency: 'info' | 'attention' | 'urgent';
  readonly subject: string;
  readonly text: string;
}

/** What a gate is asked about: members of one site that were changed, or are about to be. */
export interface GateQuestion {
  readonly rollout: string;
  readonly site: Site;
  /** Names, all of this site. */
  readonly nodes: readonly string[];
  /** Since when to look, epoch milliseconds: when the unit or the stage began. */
  readonly since: number;
}

/** Judges one gate. What it cannot find out is `inconclusive`, never an error. */
export interface GateJudge {
  judge(question: GateQuestion): Promise<GateVerdict>;
}

/** Pass, fail, or nobody can tell: the last pauses. */
export interface GateVerdict {
  readonly verdict: 'pass' | 'fail' | 'inconclusive';
  readonly sentence: string;
}
