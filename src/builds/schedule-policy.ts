import { type Ability, fits, type JobNeeds } from './fits.ts';
import { at, stronglyConnected } from './job-graph.ts';

const HOUR_MS = 3_600_000;

/** One step of a request's priority counts as much as having been asked for so much earlier. */
export const PRIORITY_STEP_MS = 24 * HOUR_MS;
export const MAX_PRIORITY = 10;

/** A job that is expected to take longer is a giant: an agent builds one at a time. */
export const GIANT_MS = 0.5 * HOUR_MS;

/** A plan takes a minute, and everything waits for it: it goes before what was asked for a day earlier. */
export const PLAN_PATH_MS = 24 * HOUR_MS;

/** No path counts for more, so that a wrong time cannot keep others waiting for ever. */
const LONGEST_PATH_MS = 7 * 24 * HOUR_MS;

/**
 * For each job how long it takes until the last of those that need it, directly or not, is done, when nothing else
 * stands in the way: its own time and the longest way from there. `needs` are indices of jobs, without circles.
 */
export function pathLengths(
  jobs: readonly { readonly estimateMs: number; readonly needs: readonly number[] }[],
): number[] {
  const paths = jobs.map(({ estimateMs }) => estimateMs);
  const order = lastFirst(jobs);
  for (const index of order) {
    const path = at(paths, index);
    for (const need of at(jobs, index).needs) {
      paths[need] = Math.max(at(paths, need), path + at(jobs, need).estimateMs);
    }
  }
  return paths;
}

/** The jobs in an order in which each comes before all that it needs. */
function lastFirst(jobs: readonly { readonly needs: readonly number[] }[]): number[] {
  const { components } = stronglyConnected(jobs.map(({ needs }) => needs));
  return components.flat().toReversed();
}

/**
 * The place of a job in the queue: the smallest goes first. It is a moment in epoch milliseconds, that at which the
 * job's request was made, brought forward by its priority and by the length of the job's path. So within a request
 * the critical path goes first; between requests, waiting counts as much as a longer path, and nothing starves: only
 * what is asked for within `MAX_PRIORITY` steps and the longest path from now can overtake a job. Nothing has to be computed
 * again as time passes.
 */
export function turnOf(job: {
  readonly requestedAt: number;
  readonly priority: number;
  readonly pathMs: number;
}): number {
  const path = Math.min(Math.max(job.pathMs, 0), LONGEST_PATH_MS);
  return Math.round(job.requestedAt - job.priority * PRIORITY_STEP_MS - path);
}

export function isGiant(estimateMs: number): boolean {
  return estimateMs >= GIANT_MS;
}

/** Ready jobs that the same agents can build. Giants have lanes of their own. */
export interface Lane {
  readonly id: string;
  readonly needs: JobNeeds;
  readonly isGiant: boolean;
}

/** A job's place in the queue: the turn, then the place in its plan, then the id decide. */
export interface Turn {
  readonly id: string;
  readonly turn: number;
  readonly position: number;
}

export interface Asker extends Ability {
  readonly name: string;
  /** Whether it is building a giant now. */
  readonly hasGiant: boolean;
}

/** Whether this agent may be given jobs of this lane now. */
export function isOpenTo(lane: Lane, agent: Asker): boolean {
  return !(lane.isGiant && agent.hasGiant) && fits(lane.needs, agent);
}

/** Of two jobs, the one that goes first has the smaller result: for sorting. */
export function compareTurns(one: Turn, other: Turn): number {
  return (
    one.turn - other.turn ||
    one.position - other.position ||
    (one.id < other.id ? -1 : Number(one.id > other.id))
  );
}

/** The job that comes first in turn. */
export function firstInTurn<T extends Turn>(jobs: readonly T[]): T | undefined {
  let first: T | undefined;
  for (const job of jobs) {
    if (first === undefined || compareTurns(job, first) < 0) {
      first = job;
    }
  }
  return first;
}
