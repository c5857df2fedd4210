import type { RolloutState } from '../rollout/rollout.ts';
import type { AdminState, Backend, RolloutPlan } from './plan.ts';

/**
 * The fleet as it is at one moment, as far as invariants look at it. Moments follow each other and share what has not changed:
 * a site, farm or rollout that is the same object as in the moment before is not looked at again. So a moment costs what changed.
 */
export interface FleetMoment {
  /** Epoch milliseconds, or the number of the event in a model. */
  readonly at: number;
  readonly sites: readonly SiteMoment[];
  readonly rollouts: readonly RolloutMoment[];
  /** Units that began since the moment before. */
  readonly begun: readonly BegunUnit[];
  /** Steps of nodes that began since the moment before. */
  readonly ran: readonly StepRun[];
  /** Answers to visitors since the moment before: of a model, or of visitors that are made to see it. */
  readonly visits: readonly Visit[];
  /** Releases of the web application, oldest first: what `Visit` is judged by. */
  readonly releases: readonly string[];
}

export interface SiteMoment {
  readonly site: string;
  /** As in the inventory. */
  readonly peakLoad: number | null;
  /** All of the site, always in the same order. */
  readonly farms: readonly FarmMoment[];
}

export interface FarmMoment {
  readonly farm: string;
  readonly maxOut: number;
  readonly minServing: number;
  /** The farm's own servers. Null: the site's balancers know members only, so that it always takes visitors. */
  readonly backends: Readonly<Record<Backend, FarmServer>> | null;
  readonly members: readonly MemberMoment[];
  readonly cache: CacheMoment;
}

export interface FarmServer {
  /** The least that any balancer of the site says: `maint` only when all say so. Null: nobody knows. */
  readonly admin: AdminState | null;
}

/** What may lie in the farm's memcached. See `nextCache`. */
export interface CacheMoment {
  /** Releases of which a process could write since the last flush that was verified. */
  readonly writers: readonly string[];
  /** The farm was dark since that flush: what its visitors did elsewhere is not in it. */
  readonly isStale: boolean;
}

export interface MemberMoment {
  readonly node: string;
  readonly profile: string;
  readonly weight: number;
  /** The strongest that any balancer says: `maint` when one says so. Null: nobody knows. */
  readonly admin: AdminState | null;
  /** New requests reach it: ready on all balancers, and up by their checks. What is not known does not serve. */
  readonly isServing: boolean;
  /** A process of the web application may run. What is not known may run. */
  readonly isWebRunning: boolean;
  readonly isBooting: boolean;
  readonly release: string | null;
  /** The active PHP tree. */
  readonly tree: string | null;
  /** The rollout that took it out of the balancers and has not put it back; null: none. */
  readonly outBy: string | null;
  /** Why it is on the list of held nodes; null: it is not. */
  readonly held: string | null;
  /** Rollouts that have a unit with it under way. */
  readonly owners: readonly string[];
  /** Sonames that a resident PHP tree needs and nothing on the node provides. */
  readonly lacks: readonly string[];
}

export interface RolloutMoment {
  readonly id: string;
  readonly plan: RolloutPlan;
  /** What the plan's id has to be, when somebody has worked it out already. */
  readonly digest?: string | undefined;
  readonly state: RolloutState;
  /** The ids of the plans that were approved for it. */
  readonly approved: readonly string[];
  /** Whether each artefact has its proof of preproduction, or was let through with a reason; null: nobody has looked. */
  readonly isProven: boolean | null;
  /** Failed units that count against the budget: all since a person let it go on. */
  readonly failed: readonly FailedUnit[];
  /** Nodes of which a unit has begun. */
  readonly touched: ReadonlySet<string>;
}

export interface FailedUnit {
  readonly unit: string;
  readonly farm: string;
  readonly profile: string;
  readonly isCanary: boolean;
}

export interface BegunUnit {
  readonly rollout: string;
  readonly unit: string;
  readonly site: string;
  /** Whether a window of the site was open for as long as the unit takes; null: it has no step that visitors might notice. */
  readonly isInWindow: boolean | null;
}

export interface StepRun {
  readonly node: string;
  /** The id that the node's step runner knows it by. */
  readonly step: string;
  /** How often it has begun by now. */
  readonly times: number;
}

export interface Visit {
  readonly visitor: string;
  readonly farm: string;
  readonly release: string;
  /** The newest release that has answered this visitor before; null: none. */
  readonly seen: string | null;
}

/** Takes no sessions: all balancers have its servers of both backends in `maint`. */
export function isDark({ backends }: FarmMoment): boolean {
  return backends !== null && backends.blue.admin === 'maint' && backends.green.admin === 'maint';
}

export function servingMembers(farm: FarmMoment): readonly MemberMoment[] {
  return farm.members.filter(({ isServing }) => isServing);
}

export function weightOf(members: readonly { readonly weight: number }[]): number {
  return members.reduce((sum, { weight }) => sum + weight, 0);
}

/**
 * What may lie in the cache after something happened to the farm. `now` has everything new but the cache. A farm that goes dark has
 * copies of sessions that are changed elsewhere from then on; what its processes do while it is dark is no visitor's.
 */
export function nextCache(before: FarmMoment, now: FarmMoment, isFlushed: boolean): CacheMoment {
  const old = before.cache;
  const running = now.members.flatMap(({ isWebRunning, release }) =>
    isWebRunning && release !== null ? [release] : [],
  );
  const writers = [...new Set([...(isFlushed ? [] : old.writers), ...running])].toSorted();
  const isStale = !isFlushed && (old.isStale || (isDark(now) && !isDark(before)));
  return { writers, isStale };
}
