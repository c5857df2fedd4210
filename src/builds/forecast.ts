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
  freeAt: number;
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
  const ways = waysToTheEnd(jobs);
  const lanes: Lane[] = agents.map(({ executors, freeAt }) => ({
    executors,
    freeAt: Math.max(now, freeAt),
  }));
  const laneOf = new Map(agents.map(({ name }, index) => [name, lanes[index]]));
  for (const job of jobs.filter(({ agent }) => agent !== null)) {
    const span = { startsAt: now, endsAt: now + job.ms };
    const lane = laneOf.get(job.agent ?? '');
    if (lane !== undefined) {
      lane.freeAt = Math.max(lane.freeAt, span.endsAt);
    }
    spans.set(job.id, span);
  }
  const open = jobs
    .filter(({ agent }) => agent === null)
    .toSorted((one, other) => (ways.get(other.id) ?? 0) - (ways.get(one.id) ?? 0));
  layOut(open, lanes, { spans, now });
  return spans;
}

/** At each moment at which a lane is free or a need is met, the first job of the list that can begin does. */
function layOut(
  jobs: readonly OpenJob[],
  lanes: readonly Lane[],
  { spans, now }: { readonly spans: Map<string, Span>; readonly now: number },
): void {
  const known = new Set([...jobs.map(({ id }) => id), ...spans.keys()]);
  let waiting = jobs;
  while (waiting.length > 0) {
    const next = firstToBegin(waiting, lanes, { spans, known, now });
    if (next === undefined) {
      return;
    }
    const { job, lane, startsAt } = next;
    const endsAt = startsAt + job.ms;
    lane.freeAt = endsAt;
    spans.set(job.id, { startsAt, endsAt });
    waiting = waiting.filter((other) => other !== job);
  }
}

function firstToBegin(
  waiting: readonly OpenJob[],
  lanes: readonly Lane[],
  known: {
    readonly spans: ReadonlyMap<string, Span>;
    readonly known: ReadonlySet<string>;
    readonly now: number;
  },
): { readonly job: OpenJob; readonly lane: Lane; readonly startsAt: number } | undefined {
  let best: { job: OpenJob; lane: Lane; startsAt: number } | undefined;
  const soonest = new Map<string, Lane | undefined>();
  const firstFree = Math.min(...lanes.map(({ freeAt }) => freeAt));
  for (const job of waiting) {
    const readyAt = readyTime(job, known);
    if (!soonest.has(job.executor)) {
      soonest.set(job.executor, soonestLane(lanes, job.executor));
    }
    const lane = soonest.get(job.executor);
    if (readyAt === undefined || lane === undefined) {
      continue;
    }
    const startsAt = Math.max(readyAt, lane.freeAt);
    if (best === undefined || startsAt < best.startsAt) {
      best = { job, lane, startsAt };
    }
    if (best.startsAt <= Math.max(known.now, firstFree)) {
      break;
    }
  }
  return best;
}

function readyTime(
  job: OpenJob,
  {
    spans,
    known,
    now,
  }: {
    readonly spans: ReadonlyMap<string, Span>;
    readonly known: ReadonlySet<string>;
    readonly now: number;
  },
): number | undefined {
  let readyAt = now;
  for (const need of job.needs) {
    if (!known.has(need)) {
      continue;
    }
    const span = spans.get(need);
    if (span === undefined) {
      return undefined;
    }
    readyAt = Math.max(readyAt, span.endsAt);
  }
  return readyAt;
}

function soonestLane(lanes: readonly Lane[], executor: string): Lane | undefined {
  let soonest: Lane | undefined;
  for (const lane of lanes) {
    const fits = lane.executors.includes(executor);
    if (fits && (soonest === undefined || lane.freeAt < soonest.freeAt)) {
      soonest = lane;
    }
  }
  return soonest;
}

/** Job -> how long it takes from its beginning to the end of the last job that waits for it. */
function waysToTheEnd(jobs: readonly OpenJob[]): ReadonlyMap<string, number> {
  return longestWays(jobs.map(({ id, ms, needs }) => ({ id, ms, needs }))).toEnd;
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
