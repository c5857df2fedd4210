import type { Readable } from 'node:stream';
import type { BuildLimits } from '../gentoo/build-limits.ts';
import type { PortagePlan } from '../gentoo/portage-plan.ts';
import type { Executor, HardwareProfile } from '../gentoo/profile.ts';
import type { Recipe } from '../gentoo/recipe.ts';
import type { ResolveOption } from '../gentoo/resolve-options.ts';
import type { PackageRecord } from '../repository/package-record.ts';
import type { JobLook, RequestLook } from './look-at-request.ts';
import type { ProfilePause } from './profile-pause.ts';
import type { BuildRequest, ExplainedJob } from './request.ts';
import type { NewPhpTree } from './request-php-tree.ts';

/** Which job, and which try at it. Every call of an agent about a job carries both. */
export interface LeaseKey {
  readonly jobId: string;
  readonly attempt: number;
  readonly agent: string;
}

/** What this agent is told to do. */
export interface Lease {
  readonly jobId: string;
  readonly requestId: string;
  readonly attempt: number;
  readonly expiresAt: number;
  readonly profile: HardwareProfile;
  /** Name of the staging tree with everything the job may install as a binary: `/staging/<name>/`. */
  readonly staging: string;
  readonly limits: BuildLimits;
  /** Other agents that compile for it; undefined when its profile does not want that. */
  readonly compileHosts?: readonly CompileHost[];
  readonly work: LeaseWork;
}

/** Where an agent's distccd is reached, and how many files it compiles at once. */
export interface Distccd {
  readonly host: string;
  readonly port: number;
  readonly jobs: number;
}

/** An agent of the same toolchain that compiles for others. */
export interface CompileHost extends Distccd {
  readonly agent: string;
}

export type LeaseWork =
  | {
      readonly kind: 'plan';
      readonly atoms: readonly string[];
      readonly rebuild: boolean;
      /** Those of the atoms that are built again whatever there is. */
      readonly anew: readonly string[];
      readonly resolve: readonly ResolveOption[];
      /** The ebuild trees are synced before. */
      readonly sync: boolean;
    }
  | {
      readonly kind: 'portage-package';
      readonly cpv: string;
      readonly repo: string;
      /** The ebuild trees are synced when Portage finds no way to build it. */
      readonly sync?: boolean;
    }
  | {
      readonly kind: 'source-package';
      readonly recipe: Recipe;
      /** Digest of the packed source when the server holds it, null when the agent fetches the recipe's URL. */
      readonly sourceSha512: string | null;
      readonly inputs: string;
      /** It becomes this PHP tree, and no package. */
      readonly tree?: { readonly id: string; readonly php: string } | undefined;
    };

export interface AgentDescription {
  readonly name: string;
  readonly chost: string;
  readonly cpuFlags: readonly string[];
  readonly cores: number;
  readonly memoryBytes: number;
  readonly portageVersion: string | null;
  readonly executors: readonly Executor[];
  /** `gcc-14.2.1`; null when it has not said. */
  readonly compiler: string | null;
  /** Free where it builds, in bytes; null when it has not said. */
  readonly diskFreeBytes: number | null;
  readonly labels: readonly string[];
  /** The only profiles that it serves; empty means all. */
  readonly profiles: readonly string[];
  /** Jobs that it does at once. */
  readonly slots: number;
  /** Null when it compiles for nobody else. */
  readonly distccd?: Distccd | null;
}

export interface AgentRecord extends AgentDescription {
  readonly registeredAt: number;
  readonly lastSeenAt: number;
  /** `drained` by an administrator or `taken-out` by the circuit breaker: it gets no new jobs. */
  readonly state: 'active' | 'drained' | 'taken-out';
  /** Why it is not active; a sentence. */
  readonly stateReason: string | null;
  readonly stateSince: number | null;
  /** When an agent that was taken out gets one job on trial. */
  readonly trialAt: number | null;
  /** The jobs it holds now. */
  readonly jobIds: readonly string[];
}

/** One try at a job. */
export interface Attempt {
  readonly attempt: number;
  readonly agent: string;
  readonly startedAt: number;
  readonly finishedAt: number | null;
  /** What the agent said, or what became of it; null while it goes on. */
  readonly outcome: string | null;
  readonly fault: 'package' | 'machine' | null;
  readonly code: string | null;
  readonly reason: string | null;
}

/** A build that failed for good: a request for the same package with the same inputs does not try it again. */
export interface BlockedBuild {
  readonly profile: string;
  readonly cpv: string;
  /** The job whose attempts failed; their logs are its logs. */
  readonly jobId: string;
  readonly reason: string;
  readonly blockedAt: number;
}

/** A package of a request. */
export interface RequestPackage {
  readonly package: PackageRecord;
  readonly how: 'built' | 'reused';
  /** Why it was not published with the others; a sentence. */
  readonly leftOut: string | null;
}

/** How many were removed; of `logs`, how many jobs lost theirs. */
export interface Leftovers {
  readonly stagingTrees: number;
  readonly sources: number;
  readonly logs: number;
}

/** What the other rooms may ask of the build farm. */
export interface Builds {
  /**
   * What is to be published on a channel that needs proof has to be forced, with a reason: what is only built now
   * cannot be proven. Throws `promotion-not-proven`, `reason-required`, `invalid-priority`, `unknown-profile`,
   * `profile-broken`, `nothing-to-rebuild`, `unknown-channel`, `channel-required`, `invalid-atom`, `unknown-set`; for the executor
   * `source` also `unknown-recipe`, `plan-cycle` and the codes of packing a source folder (`source-missing`,
   * `source-too-large`, `source-unsupported`, `source-changed`).
   */
  createRequest(request: {
    readonly profile: string;
    readonly atoms: readonly string[];
    readonly publish?: string;
    /** When not everything can be published, what breaks nothing is; needs `publish`. */
    readonly partial?: boolean;
    readonly rebuild?: boolean;
    /** With these options of emerge; `no-resolver` where the profile builds recipes. */
    readonly resolve?: readonly ResolveOption[];
    /** Also what the gate of this channel would want rebuilt of the newest packages; all is built again then. */
    readonly rebuildFor?: string;
    /** The ebuild trees are synced before the plan is made; only where the profile builds with Portage. */
    readonly sync?: boolean;
    /** From -10 to 10. */
    readonly priority?: number;
    /** Packages that are blocked are tried again. */
    readonly retry?: boolean;
    readonly force?: boolean;
    /** Why it is published. */
    readonly reason?: string;
    readonly author: string;
  }): Promise<BuildRequest>;
  findRequest(id: string): Promise<BuildRequest | undefined>;
  /** Newest first. */
  listRequests(query: {
    readonly profile?: string;
    readonly limit: number;
  }): Promise<BuildRequest[]>;
  /** Undefined when there is no such request. */
  lookAt(requestId: string): Promise<RequestLook | undefined>;
  /** Undefined when there is no such job. */
  lookAtJob(jobId: string): Promise<JobLook | undefined>;
  jobsOf(requestId: string): Promise<ExplainedJob[]>;
  findJob(id: string): Promise<ExplainedJob | undefined>;
  /** The first one first. */
  attemptsOf(jobId: string): Promise<Attempt[]>;
  packagesOf(requestId: string): Promise<readonly RequestPackage[]>;
  /**
   * Publishes what a request that has ended has built: one that failed when it was to be published, one that was not to
   * be, or the part that breaks nothing of one that was not finished. It replaces nothing that came after its end.
   * Throws `unknown-request`, `request-unfinished`, `request-published`, `request-incomplete`, `nothing-built`,
   * `channel-required`, and for the channel what `createRequest` throws.
   */
  publishRequest(
    id: string,
    publish: {
      readonly actor: string;
      readonly partial: boolean;
      /** The one that it was to be published on when it is not given. */
      readonly channel?: string;
      readonly force?: boolean;
      readonly reason?: string;
    },
  ): Promise<BuildRequest>;
  /** Jobs not yet begun are cancelled; those under way are told at their next word. Throws `unknown-request`, `request-finished`. */
  cancelRequest(id: string, actor: string): Promise<BuildRequest>;
  /** Hands out no more of its jobs; those under way go on. Throws `unknown-request`, `request-finished`. */
  pauseRequest(
    id: string,
    pause: { readonly actor: string; readonly reason: string },
  ): Promise<BuildRequest>;
  /** Throws `unknown-request`, `request-finished`. */
  resumeRequest(id: string, actor: string): Promise<BuildRequest>;
  /** Throws `invalid-priority`, `unknown-request`, `request-finished`. */
  prioritizeRequest(
    id: string,
    change: { readonly actor: string; readonly priority: number },
  ): Promise<BuildRequest>;
  /** Hands out no more jobs for the profile. Throws `unknown-profile`. */
  pauseProfile(
    profile: string,
    pause: { readonly actor: string; readonly reason: string },
  ): Promise<ProfilePause>;
  /** Throws `profile-not-paused`. */
  resumeProfile(profile: string, actor: string): Promise<void>;
  listPauses(): Promise<ProfilePause[]>;
  /** Gives the agent no new jobs; what it holds it finishes. Throws `unknown-agent`. */
  drainAgent(
    name: string,
    drain: { readonly actor: string; readonly reason: string },
  ): Promise<AgentRecord>;
  /** Gives an agent that is drained or taken out jobs again. Throws `unknown-agent`. */
  resumeAgent(name: string, actor: string): Promise<AgentRecord>;

  /** Builds that failed for good and are not tried again, the newest first. */
  listBlocked(profile?: string): Promise<BlockedBuild[]>;
  /**
   * Lets blocked packages be built again, by the next request for them: `category/pn` or CPVs, or all of the profile
   * when none is named. Returns what was blocked. Throws `not-blocked`.
   */
  unblock(
    wanted: { readonly profile: string; readonly packages: readonly string[] },
    actor: string,
  ): Promise<BlockedBuild[]>;

  /** Gives an agent that was taken out jobs again. Throws `unknown-agent`, `agent-not-taken-out`. */
  restoreAgent(name: string, actor: string): Promise<AgentRecord>;
  registerAgent(description: AgentDescription): Promise<AgentRecord>;
  listAgents(): Promise<AgentRecord[]>;
  /** Waits up to `waitMs` for a job that fits the agent, which has so much disk left now. Throws `unknown-agent`. */
  lease(
    agent: string,
    waitMs: number,
    signal: AbortSignal,
    diskFreeBytes?: number,
  ): Promise<Lease | undefined>;
  /** Why this agent gets no jobs at all, or undefined when it may get some. */
  whyIdle(
    agent: string,
  ): Promise<{ readonly state: 'drained' | 'taken-out'; readonly reason: string } | undefined>;
  /**
   * Extends the lease, and waits up to `waitMs` for something to tell: `cancel` tells the agent to stop. Throws
   * `stale-attempt` (409) as all the following do.
   */
  heartbeat(
    key: LeaseKey,
    wait?: { readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<'go-on' | 'cancel'>;
  /**
   * Appends to the log of the attempt at `offset`; bytes the log already has are passed over. Returns its size.
   * Throws `log-gap` when the offset lies beyond the end, with `details.size`; `log-too-large`.
   */
  appendLog(key: LeaseKey, offset: number, bytes: Uint8Array): Promise<number>;
  /** The packed source folder of a `source` job. Throws `unknown-source`. */
  openSource(key: LeaseKey): Promise<{ readonly stream: Readable; readonly size: number }>;
  /**
   * Keeps the plan for `acceptResult`. Answers with `category/pn:slot` of what is to be planned anew, from ebuilds:
   * what there is of it may have changed. Nothing when the plan is good. Throws `job-takes-no-plan`, `plan-invalid`, `plan-package-missing`,
   * `plan-cycle`, `plan-too-large`.
   */
  acceptPlan(key: LeaseKey, plan: PortagePlan): Promise<readonly string[]>;
  /**
   * Takes a request for a PHP tree, whose sources (`image/php` and `image/extension-*` in a tar) were received as `file`,
   * which is moved away. Throws `unknown-profile`, `profile-broken`, `build-root-unsupported`.
   */
  requestPhpTree(wanted: NewPhpTree): Promise<BuildRequest>;
  /**
   * Imports the PHP tree that the job has built, and gives its id; what comes again is the tree that is there. Throws
   * `job-takes-no-tree`, `php-version-differs`, and what the import of a tree throws.
   */
  acceptTree(
    key: LeaseKey,
    upload: { readonly stream: Readable; readonly sha512: string; readonly size?: number },
  ): Promise<string>;
  /**
   * Imports the package and notes it as what the job has built; the same upload again gives the same package.
   * Throws `job-takes-no-package`, `package-unexpected`, and what the repository throws.
   */
  acceptPackage(
    key: LeaseKey,
    upload: { readonly stream: Readable; readonly sha512: string; readonly size?: number },
  ): Promise<PackageRecord>;
  /**
   * Ends the attempt; the same report again changes nothing. `succeeded` needs the plan or the package to have been
   * accepted: `result-missing`. `cancelled` without having been told so gives the job back: it is handed out again.
   */
  acceptResult(
    key: LeaseKey,
    result: {
      readonly outcome: 'succeeded' | 'failed' | 'cancelled';
      readonly code?: string;
      readonly reason?: string;
      /** What a successful build took, for the limits of the next one. */
      readonly measured?: {
        readonly silenceMs: number;
        readonly logBytes: number;
        readonly diskBytes: number;
      };
    },
  ): Promise<void>;

  /**
   * The log of an attempt (the last by default) from `offset` on; empty when there is none, one line that says so
   * when it has been removed.
   */
  readLog(
    jobId: string,
    options: { readonly attempt?: number; readonly offset: number; readonly maxBytes: number },
  ): Promise<{
    readonly bytes: Buffer;
    readonly attempt: number;
    readonly isComplete: boolean;
    /** Of the log as it is now. */
    readonly size: number;
  }>;
  /**
   * Calls the listener whenever bytes were appended to a log of the job, an attempt at it ended, or the next one
   * began. The returned function ends that.
   */
  followLog(jobId: string, listener: () => void): () => void;
  /** Whether somebody does, on this server. */
  isLogFollowed(jobId: string): boolean;

  /**
   * Clears away staging trees of attempts that have ended, packed sources that are older than `sourcesMs` and that
   * no unfinished request needs, and the logs of requests that ended longer than `logsMs` ago.
   */
  removeLeftovers(ages: {
    readonly sourcesMs: number;
    readonly logsMs: number;
  }): Promise<Leftovers>;
}
