/** A job that has not ended. */
export interface OpenJob {
  readonly id: string;
  readonly executor: string;
  /** What is left of it when it runs, else how long it will take. */
  readonly ms: number;
  /** The agent that builds it now. */
  readonly agent: string | null;
  /** Open jobs that it waits for; ids of others are passed over. */
  readonly needs: readonly string[];
}

export interface ForecastAgent {
  readonly name: string;
  readonly executors: readonly string[];
  /** When it is done with work of other requests, at the latest now. */
  readonly freeAt: number;
}

export interface Span {
  readonly startsAt: number;
  readonly endsAt: number;
}

interface Lane {
  readonly executors: readonly string[];
}

/** A lane is taken, by a job or by what other requests want, until then; a job may run where no lane is known. */
interface Taken {
  readonly endsAt: number;
  readonly lane: Lane | undefined;
  readonly job: OpenJob | undefined;
}

/**
 * When each job will begin and end if the agents that are there go on, the one with the longest way to the end first.
 * Jobs that no agent can do are left out, and so is what waits for them.
 */
export function forecast(
  jobs: readonly OpenJob[],
  agents: readonly ForecastAgent[],
  now: number,
): ReadonlyMap<string, Span> {
  const spans = new Map<string, Span>();
  const running = jobs.filter(({ agent }) => agent !== null);
  const lanes = new Map(agents.map((agent) => [agent.name, { executors: agent.executors }]));
  const busy = new Set(running.map(({ agent }) => agent));
  const taken: Taken[] = running.map((job) => ({
    endsAt: now + job.ms,
    lane: lanes.get(job.agent ?? ''),
    job,
  }));
  for (const { name, freeAt } of agents) {
    if (!busy.has(name)) {
      taken.push({ endsAt: Math.max(now, freeAt), lane: lanes.get(name), job: undefined });
    }
  }
  for (const { job, endsAt } of taken) {
    if (job !== undefined) {
      spans.set(job.id, { startsAt: now, endsAt });
    }
  }
  playOut(new WaitingJobs(jobs), taken, spans);
  return spans;
}

/** From one moment at which a lane becomes free to the next: whoever is ready and fits begins. */
function playOut(waiting: WaitingJobs, begun: readonly Taken[], spans: Map<string, Span>): void {
  let taken: Taken[] = [...begun];
  const free: Lane[] = [];
  while (taken.length > 0) {
    const at = taken.reduce((least, { endsAt }) => Math.min(least, endsAt), Infinity);
    const over = taken.filter(({ endsAt }) => endsAt <= at);
    taken = taken.filter(({ endsAt }) => endsAt > at);
    for (const { lane, job } of over) {
      if (job !== undefined) {
        waiting.ended(job.id);
      }
      if (lane !== undefined) {
        free.push(lane);
      }
    }
    for (const { job, lane } of waiting.take(free)) {
      const endsAt = at + job.ms;
      spans.set(job.id, { startsAt: at, endsAt });
      taken.push({ endsAt, lane, job });
    }
  }
}

/** Jobs that have not begun: those whose needs are met in the order in which they should, and what the rest waits for. */
class WaitingJobs {
  readonly #ways: ReadonlyMap<string, number>;
  readonly #needing = new Map<string, OpenJob[]>();
  readonly #left = new Map<string, number>();
  #ready: OpenJob[];

  constructor(jobs: readonly OpenJob[]) {
    const open = new Set(jobs.map(({ id }) => id));
    const waiting = jobs.filter(({ agent }) => agent === null);
    this.#ways = longestWays(jobs).toEnd;
    for (const job of waiting) {
      const needs = job.needs.filter((need) => open.has(need));
      this.#left.set(job.id, needs.length);
      for (const need of needs) {
        const others = this.#needing.get(need) ?? [];
        others.push(job);
        this.#needing.set(need, others);
      }
    }
    this.#ready = this.#inOrder(waiting.filter(({ id }) => this.#left.get(id) === 0));
  }

  ended(id: string): void {
    const next = (this.#needing.get(id) ?? []).filter((job) => {
      const left = (this.#left.get(job.id) ?? 0) - 1;
      this.#left.set(job.id, left);
      return left === 0;
    });
    if (next.length > 0) {
      this.#ready = this.#inOrder([...this.#ready, ...next]);
    }
  }

  /** Gives ready jobs to free lanes, and takes both off their lists. */
  take(free: Lane[]): { readonly job: OpenJob; readonly lane: Lane }[] {
    const given: { job: OpenJob; lane: Lane }[] = [];
    const kept: OpenJob[] = [];
    for (const [index, job] of this.#ready.entries()) {
      if (free.length === 0) {
        kept.push(...this.#ready.slice(index));
        break;
      }
      const place = free.findIndex(({ executors }) => executors.includes(job.executor));
      const [lane] = place < 0 ? [] : free.splice(place, 1);
      if (lane === undefined) {
        kept.push(job);
      } else {
        given.push({ job, lane });
      }
    }
    this.#ready = kept;
    return given;
  }

  /** The longest way to the end first. */
  #inOrder(jobs: readonly OpenJob[]): OpenJob[] {
    return jobs.toSorted(
      (one, other) => (this.#ways.get(other.id) ?? 0) - (this.#ways.get(one.id) ?? 0),
    );
  }
}

export interface WeighedJob {
  readonly id: string;
  readonly ms: number;
  readonly needs: readonly string[];
}

/** The chain of jobs, each of which needs the one before, that takes longest; and how long. */
export function criticalPath(jobs: readonly WeighedJob[]): {
  readonly ids: readonly string[];
  readonly ms: number;
} {
  const { toEnd, next } = longestWays(jobs);
  let first: string | undefined;
  for (const { id } of jobs) {
    if (first === undefined || (toEnd.get(id) ?? 0) > (toEnd.get(first) ?? 0)) {
      first = id;
    }
  }
  const ids: string[] = [];
  for (let id = first; id !== undefined && ids.length < jobs.length; id = next.get(id)) {
    ids.push(id);
  }
  return { ids, ms: first === undefined ? 0 : (toEnd.get(first) ?? 0) };
}

/** Goes from the jobs that nobody needs to those that need nothing. A circle counts as if it ended. */
function longestWays(jobs: readonly WeighedJob[]): {
  readonly toEnd: Map<string, number>;
  readonly next: Map<string, string>;
} {
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const open = new Map(jobs.map(({ id }) => [id, 0]));
  for (const need of jobs.flatMap(({ needs }) => needs)) {
    open.set(need, (open.get(need) ?? 0) + 1);
  }
  const longest = new Map<string, number>();
  const next = new Map<string, string>();
  const toEnd = new Map<string, number>();
  const queue = jobs.filter(({ id }) => open.get(id) === 0);
  for (let job = queue.pop(); job !== undefined; job = queue.pop()) {
    const way = job.ms + (longest.get(job.id) ?? 0);
    toEnd.set(job.id, way);
    for (const need of job.needs) {
      if (way > (longest.get(need) ?? -1)) {
        longest.set(need, way);
        next.set(need, job.id);
      }
      const left = (open.get(need) ?? 0) - 1;
      open.set(need, left);
      const needed = byId.get(need);
      if (left === 0 && needed !== undefined) {
        queue.push(needed);
      }
    }
  }
  return { toEnd, next };
}
