import type { PackageImpact } from '../impact/impact.ts';
import type { Artefacts, PhpTreeRef, PublicationRef, ReleaseRef } from './artefact.ts';
import type { GateName, RolloutPolicy } from './policy.ts';

/** The three kinds of the upgrades, and the switch of PHP. */
export const ROLLOUT_KINDS = ['os-online', 'os-disruptive', 'php', 'app'] as const;
export type RolloutKind = (typeof ROLLOUT_KINDS)[number];

/**
 * Everything that a rollout will do. It never changes: what has to be different is another plan. Its id is the SHA-256 of its
 * canonical JSON without `id`.
 */
export interface RolloutPlan {
  readonly format: 1;
  readonly id: string;
  readonly kind: RolloutKind;
  readonly artefacts: Artefacts;
  /** Digest of the inventory that it was made of. */
  readonly inventory: string;
  readonly policy: RolloutPolicy;
  readonly stages: readonly Stage[];
  /** Packages that change and what they do; for `os-*`. */
  readonly impact: readonly PackageImpact[];
  /** The plan that this one takes back; null: none. */
  readonly reverses: string | null;
  /** How many equal ones have come to their end before it; absent: none. It gives this one an id of its own. */
  readonly again?: number;
  /** Said before the start, sentences: capacity at the peak, how a way back looks, what is not done for whom and why. */
  readonly remarks: readonly string[];
}

export interface Stage {
  /** `canary`, `wave-3`, `wave-3.2`, `farm-web7`. */
  readonly id: string;
  readonly type: 'prefetch' | 'canary' | 'wave' | 'farm';
  readonly title: string;
  /**
   * All of them may be under way at once, within the limits. A stage begins when the one before has ended and was watched for
   * its soak time; with the barrier `farm`, a unit of a `wave` begins when the units of its farm in earlier stages have ended.
   * Everything waits for stages of `prefetch` and `canary`, with either barrier.
   */
  readonly units: readonly Unit[];
  readonly soakSeconds: number;
}

/** What is done as a whole or not at all: one member, or for kind 3 one farm. */
export interface Unit {
  /** Unique in the plan: `wave-3/web7-3`. */
  readonly id: string;
  readonly site: string;
  readonly farm: string;
  /** One node, or all of the farm. */
  readonly nodes: readonly string[];
  readonly steps: readonly Step[];
}

export interface Step {
  /** Unique in the unit: `drain`, `merge`. */
  readonly id: string;
  readonly action: Action;
  readonly timeoutSeconds: number;
  /** What takes it back, in order; empty when nothing has to or can be done. */
  readonly undo: readonly Action[];
  /**
   * What it does stays, whatever `undo` says of other steps: a unit that fails at it, or after it, is held as it is. Absent: false.
   */
  readonly isFinal?: boolean;
}

export type AdminState = 'ready' | 'drain' | 'maint';

/** The two backends that list the farms of a site: one for the version that serves, one for the next. */
export type Backend = 'blue' | 'green';

/** Actions on balancers and caches can be repeated. Those of `node` happen at most once for each step, node and direction. */
export type Action =
  /** The nodes' servers on all balancers of the site. */
  | { readonly do: 'set-members'; readonly nodes: readonly string[]; readonly to: AdminState }
  /** The farms' own servers, all in one command: `blue` and `green` are the backends of the inventory. */
  | {
      readonly do: 'set-farms';
      readonly changes: readonly {
        readonly farm: string;
        readonly backend: Backend;
        readonly to: AdminState;
      }[];
    }
  /** Until no request is in flight on any balancer. */
  | { readonly do: 'await-idle'; readonly nodes: readonly string[]; readonly farm: string | null }
  /** Until every balancer says that they are up; the farm's own server in a backend too. */
  | {
      readonly do: 'await-serving';
      readonly nodes: readonly string[];
      readonly farm: { readonly name: string; readonly backend: Backend } | null;
    }
  | { readonly do: 'flush'; readonly farm: string }
  | { readonly do: 'gate'; readonly gates: readonly GateName[]; readonly nodes: readonly string[] }
  | { readonly do: 'node'; readonly nodes: readonly string[]; readonly run: NodeCommand };

/** What a node does, through its step runner. */
export type NodeCommand =
  | { readonly name: 'prefetch'; readonly publication: PublicationRef }
  | { readonly name: 'pull-php'; readonly tree: PhpTreeRef }
  | { readonly name: 'snapshot'; readonly by: 'lvm' | 'btrfs' }
  | { readonly name: 'restore-snapshot'; readonly by: 'lvm' | 'btrfs' }
  | { readonly name: 'drop-snapshot'; readonly by: 'lvm' | 'btrfs' }
  | { readonly name: 'stop-web' }
  | { readonly name: 'start-web' }
  /** emerge --usepkgonly of the pinned publication; then the preserved libraries and sonames of PHP trees are looked at. */
  | { readonly name: 'merge'; readonly publication: PublicationRef }
  /** Ends badly when a web process maps a file that was replaced. */
  | { readonly name: 'rescan' }
  | { readonly name: 'restart-services'; readonly services: readonly string[] }
  /** Has happened when the boot id is another one. */
  | { readonly name: 'reboot' }
  | { readonly name: 'activate-php'; readonly tree: PhpTreeRef }
  | { readonly name: 'activate-release'; readonly release: ReleaseRef }
  /** The node's own checks, and that it serves exactly this. Null: whatever it is. */
  | {
      readonly name: 'check';
      readonly tree: string | null;
      readonly release: string | null;
      readonly publication: PublicationRef | null;
    };
