import type { Impact } from '../impact/impact.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { ObservedNode } from '../observed/observed-node.ts';
import type { Artefacts, PublicationRef } from './artefact.ts';
import type { ConfiguredBalancers } from './outdated-balancers.ts';
import type { Backend, RolloutKind } from './plan.ts';
import type { RolloutPolicy } from './policy.ts';

/** The last change of a node by a rollout. */
export interface NodeChange {
  /** Its id. */
  readonly rollout: string;
  /** When the unit ended; while it is under way, when it began. Epoch milliseconds. */
  readonly at: number;
}

/** Everything that a plan is made of. The same input gives the same plan. */
export interface PlanInput {
  readonly kind: RolloutKind;
  readonly inventory: Inventory;
  readonly inventoryDigest: string;
  readonly observed: ReadonlyMap<string, ObservedNode>;
  /** Nodes that rollouts have changed lately, whose reports from before say nothing; absent: not looked at. */
  readonly changed?: ReadonlyMap<string, NodeChange>;
  /** For `os-*`: one for each profile and installed set of the nodes in scope. */
  readonly impacts: readonly Impact[];
  readonly artefacts: Artefacts;
  /** What each node has installed now, as far as it is a publication that is still there: the way back of a merge. */
  readonly installed: ReadonlyMap<string, PublicationRef>;
  /** Of each site, the backend whose farms serve. */
  readonly live: ReadonlyMap<string, Backend>;
  /** Farms that serve in another backend than the live one of their site: it was left between two releases. */
  readonly farmBackends?: ReadonlyMap<string, Backend>;
  /** Of each site, what the configurations of its balancers say; absent: not looked at. */
  readonly configured?: ReadonlyMap<string, ConfiguredBalancers>;
  /** Of each profile, the words of CPU_FLAGS_X86 that its packages use; absent: not looked at. */
  readonly cpuFlags?: ReadonlyMap<string, readonly string[]>;
  /** Nodes that no plan touches, with the reason. */
  readonly held: ReadonlyMap<string, string>;
  readonly policy: RolloutPolicy;
  /** Names of sites, farms and nodes; all empty: everything. A rollout of `app` takes whole farms. */
  readonly scope: {
    readonly sites: readonly string[];
    readonly farms: readonly string[];
    readonly nodes: readonly string[];
  };
  /** The id of the plan that is taken back: no canaries, and it may go down. */
  readonly reverses: string | null;
  /** Epoch milliseconds: what decides whether an observation is fresh. It is not part of the plan. */
  readonly now: number;
}

/** Why there is no plan: `code` stable, kebab-case; `subject` a node, farm, site or package. */
export interface PlanProblem {
  readonly code: string;
  readonly subject: string;
  readonly sentence: string;
}
