import type { AgentRecord } from './builds.ts';
import { type Lack, lacksOf } from './fits.ts';
import type { ProfilePause } from './profile-pause.ts';
import type { JobState } from './request.ts';
import type { Lane } from './schedule-policy.ts';

/** An agent that has not reported for longer is not counted on. */
export const LIVE_AGENT_MS = 60_000;

/** So many agents are named. */
const SHOWN_AGENTS = 5;

/** A job that another one waits for. Times in milliseconds; `leftMs` is 0 when it takes longer than it used to. */
export interface NeededJob {
  readonly job: string;
  readonly name: string;
  readonly state: JobState;
  readonly agent: string | null;
  /** Since when it is being built. */
  readonly sinceMs: number | null;
  /** How long it will still take, when earlier builds tell. */
  readonly leftMs: number | null;
}

/** Why a job stands where it stands. Lengths of time in milliseconds, from now back or on. */
export type Why =
  | (NeededJob & {
      readonly code: 'needs-job';
      /** Other jobs that it waits for as well. */
      readonly others: number;
      /** What the needed job waits for in the end, when it waits itself. */
      readonly root: NeededJob | null;
      /** Why the needed job, or the root, has not begun. */
      readonly because: Standstill | null;
    })
  | (NeededJob & {
      /** The job of another request that builds this one as well. */
      readonly code: 'joined';
      readonly request: string;
      /** Why it is not being built at this moment. */
      readonly because: Standstill | null;
    })
  | Standstill
  | {
      readonly code: 'building';
      readonly agent: string;
      readonly attempt: number;
      readonly sinceMs: number;
      readonly leftMs: number | null;
    }
  | { readonly code: 'stopping'; readonly agent: string; readonly by: string }
  | {
      readonly code: 'succeeded';
      readonly agent: string;
      readonly attempt: number;
      readonly tookMs: number | null;
      /** The request that has built it, when that is another one. */
      readonly request: string | null;
    }
  | {
      readonly code: 'failed' | 'cancelled' | 'skipped';
      readonly agent: string | null;
      readonly attempt: number;
      readonly reason: string;
    };

/** Why a job that needs nothing any more has not begun. */
export type Standstill =
  | {
      readonly code: 'paused-request';
      readonly by: string;
      readonly reason: string;
      readonly sinceMs: number;
    }
  | {
      readonly code: 'paused-profile';
      readonly profile: string;
      readonly by: string;
      readonly reason: string;
      readonly sinceMs: number;
    }
  | { readonly code: 'no-agent' }
  | {
      readonly code: 'no-fitting-agent';
      readonly agents: readonly { readonly name: string; readonly lacks: readonly Lack[] }[];
      /** Agents that do not fit either and are not named. */
      readonly others: number;
    }
  | {
      readonly code: 'agents-away';
      readonly agents: readonly { readonly name: string; readonly silentMs: number }[];
      readonly others: number;
    }
  | {
      readonly code: 'agents-inactive';
      readonly agents: readonly {
        readonly name: string;
        readonly state: 'drained' | 'taken-out';
        readonly reason: string;
      }[];
      readonly others: number;
    }
  | { readonly code: 'backing-off'; readonly attempt: number; readonly leftMs: number }
  | {
      /** `one-giant-each`: those with a free slot are building a giant. */
      readonly code: 'agents-busy' | 'one-giant-each';
      readonly agents: readonly string[];
      readonly others: number;
      /** When the first of them should be free, when earlier builds tell. */
      readonly freeInMs: number | null;
    }
  | {
      /** Nothing stands in its way: one of these agents will ask, or is given jobs that go before it. */
      readonly code: 'next';
      readonly agents: readonly string[];
      readonly others: number;
    };

/** A job that is being built. */
export interface RunningJob {
  readonly jobId: string;
  readonly agent: string;
  readonly startedAt: number;
  /** How long it takes, when earlier builds tell. */
  readonly usualMs: number | null;
  readonly isGiant: boolean;
}

/** What the farm is like at this moment. */
export interface FarmFacts {
  readonly now: number;
  readonly agents: readonly AgentRecord[];
  readonly running: readonly RunningJob[];
  readonly pauses: readonly ProfilePause[];
}

export interface ReadyJob {
  /** Undefined when it has no place in the queue. */
  readonly lane: Lane | undefined;
  readonly attempt: number;
  readonly notBefore: number | null;
  readonly requestPause: {
    readonly by: string;
    readonly reason: string;
    readonly pausedAt: number;
  } | null;
  /** Agents that leave it to others. */
  readonly failedOn: ReadonlySet<string>;
}

/** Why a job in state `ready` has not begun: what would have to change first. */
export function whyReady(job: ReadyJob, facts: FarmFacts): Standstill {
  const { now } = facts;
  if (job.requestPause !== null) {
    const { by, reason, pausedAt } = job.requestPause;
    return { code: 'paused-request', by, reason, sinceMs: now - pausedAt };
  }
  const pause = facts.pauses.find(({ profile }) => profile === job.lane?.needs.profile);
  if (pause !== undefined) {
    const { profile, by, reason, pausedAt } = pause;
    return { code: 'paused-profile', profile, by, reason, sinceMs: now - pausedAt };
  }
  return whyNoAgent(job, facts);
}

function whyNoAgent(job: ReadyJob, facts: FarmFacts): Standstill {
  const { agents, now } = facts;
  const needs = job.lane?.needs;
  if (agents.length === 0 || needs === undefined) {
    return { code: 'no-agent' };
  }
  const judged = agents.map((agent) => ({ agent, lacks: lacksOf(needs, agent) }));
  const fitting = judged.filter(({ lacks }) => lacks.length === 0).map(({ agent }) => agent);
  if (fitting.length === 0) {
    const shown = judged.toSorted((one, other) => one.lacks.length - other.lacks.length);
    return {
      code: 'no-fitting-agent',
      ...firstOf(shown, ({ agent, lacks }) => ({ name: agent.name, lacks })),
    };
  }
  const live = fitting.filter(({ lastSeenAt }) => lastSeenAt > now - LIVE_AGENT_MS);
  if (live.length === 0) {
    const silent = (agent: AgentRecord) => ({
      name: agent.name,
      silentMs: now - agent.lastSeenAt,
    });
    return { code: 'agents-away', ...firstOf(fitting, silent) };
  }
  const active = live.filter(({ state }) => state === 'active');
  if (active.length === 0) {
    const inactive = live.flatMap(({ name, state, stateReason }) =>
      state === 'active' ? [] : [{ name, state, reason: stateReason ?? '' }],
    );
    return { code: 'agents-inactive', ...firstOf(inactive, (agent) => agent) };
  }
  return whyNotYet(job, active, facts);
}

/** There are agents that could do it. One that failed on it leaves it to the others. */
function whyNotYet(job: ReadyJob, active: readonly AgentRecord[], facts: FarmFacts): Standstill {
  const { now, running } = facts;
  if (job.notBefore !== null && job.notBefore > now) {
    return { code: 'backing-off', attempt: job.attempt, leftMs: job.notBefore - now };
  }
  const others = active.filter(({ name }) => !job.failedOn.has(name));
  const able = others.length > 0 ? others : active;
  const withSlot = able.filter(({ slots, jobIds }) => jobIds.length < slots);
  const hasGiant = (name: string): boolean =>
    running.some(({ agent, isGiant }) => agent === name && isGiant);
  const free = withSlot.filter(({ name }) => job.lane?.isGiant !== true || !hasGiant(name));
  if (free.length > 0) {
    return { code: 'next', ...firstOf(free, nameOf) };
  }
  const waitedFor = withSlot.length > 0 ? withSlot : able;
  const counted = running.filter(
    ({ agent, isGiant }) =>
      waitedFor.some(({ name }) => name === agent) && (withSlot.length === 0 || isGiant),
  );
  const left = counted.map((one) => leftOf(one, now)).filter((ms) => ms !== null);
  return {
    code: withSlot.length > 0 ? 'one-giant-each' : 'agents-busy',
    ...firstOf(waitedFor, nameOf),
    freeInMs: left.length === 0 ? null : Math.min(...left),
  };
}

function nameOf({ name }: AgentRecord): string {
  return name;
}

/** How long a running job will still take; null when nothing is known of it. */
export function leftOf(job: RunningJob, now: number): number | null {
  return job.usualMs === null ? null : Math.max(0, job.startedAt + job.usualMs - now);
}

function firstOf<T, U>(
  all: readonly T[],
  show: (one: T) => U,
): { readonly agents: readonly U[]; readonly others: number } {
  const shown = all.slice(0, SHOWN_AGENTS);
  return { agents: shown.map(show), others: all.length - shown.length };
}

/** Of the jobs that one waits for, the one to tell of first: being built, then ready, then waiting itself. */
export function firstNeed<T extends { readonly state: JobState }>(
  needs: readonly T[],
): T | undefined {
  return NEXT_STATES.flatMap((wanted) => needs.filter(({ state }) => state === wanted))[0];
}

const NEXT_STATES: readonly JobState[] = ['leased', 'ready', 'waiting'];
