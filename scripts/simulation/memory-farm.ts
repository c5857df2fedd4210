import type { Fault } from '../../src/builds/fault.ts';
import type { Ability } from '../../src/builds/fits.ts';
import { fits } from '../../src/builds/fits.ts';
import type { AttemptEnd } from '../../src/builds/job.ts';
import { faultOfEnd, judgeAttempt } from '../../src/builds/job.ts';
import { mustLeave } from '../../src/builds/retry-choice.ts';
import {
  compareTurns,
  firstInTurn,
  isOpenTo,
  type Lane,
  type Turn,
} from '../../src/builds/schedule-policy.ts';
import { LIVE_AGENT_MS } from '../../src/builds/waiting-reason.ts';
import { type Backoff, backoffDelay } from '../../src/support/backoff.ts';
import { fractionOf } from '../../src/support/digests.ts';
import type { FarmPort, Leased, Report, ReportAnswer } from './farm-port.ts';
import { Heap } from './heap.ts';

export interface MemorySettings {
  readonly leaseMs: number;
  readonly maxAttempts: number;
  readonly retry: Backoff;
}

export interface NewMemoryJob {
  readonly name: string;
  readonly needs: readonly number[];
  readonly turn: number;
  readonly lane: Lane;
}

interface Job extends Turn {
  readonly name: string;
  readonly lane: LaneQueue;
  readonly needs: readonly Job[];
  readonly dependants: Job[];
  readonly attempts: Attempt[];
  state: 'waiting' | 'ready' | 'leased' | 'succeeded' | 'failed' | 'skipped';
  agent: string;
  expiresAt: number;
  notBefore: number | null;
}

interface Attempt {
  readonly agent: string;
  readonly attempt: number;
  wasHeard: boolean;
  outcome: string | null;
  fault: Fault | null;
}

interface LaneQueue {
  readonly lane: Lane;
  readonly ready: Heap<Job>;
  /** Agents that fit, by name. */
  readonly agents: string[];
}

interface Agent {
  readonly ability: Ability;
  readonly lanes: LaneQueue[];
  lastSeenAt: number;
  giants: number;
}

/**
 * The rules of the build room on plain objects, for simulations that a database would be too slow for. What decides is
 * the room's own code: lanes and turns, who fits, verdicts, whose fault an end is, who leaves a job to others. Written
 * again is only what the room says in SQL: claims, fences, who becomes ready, who is skipped. A test runs both against
 * each other. Left out are cancelling, limits and the circuit breaker.
 */
export class MemoryFarm implements FarmPort {
  readonly #settings: MemorySettings;
  readonly #agents = new Map<string, Agent>();
  readonly #lanes = new Map<string, LaneQueue>();
  readonly #jobs = new Map<string, Job>();
  readonly #expiring = new Heap<{ readonly at: number; readonly job: Job }>((a, b) => a.at - b.at);
  readonly #delayed = new Heap<Job>((a, b) => (a.notBefore ?? 0) - (b.notBefore ?? 0));
  #now: number;
  #open = 0;

  constructor(settings: MemorySettings, now: number) {
    this.#settings = settings;
    this.#now = now;
  }

  addAgent(name: string, ability: Ability): void {
    const agent: Agent = { ability, lanes: [], lastSeenAt: this.#now, giants: 0 };
    this.#agents.set(name, agent);
    for (const queue of this.#lanes.values()) {
      this.#match(name, agent, queue);
    }
  }

  /** The jobs of one request, in an order in which they can be built. */
  addJobs(request: string, jobs: readonly NewMemoryJob[]): void {
    const made: Job[] = [];
    for (const [index, { name, needs, turn, lane }] of jobs.entries()) {
      const needed = needs.flatMap((need) => made[need] ?? []);
      const job: Job = {
        id: `${request}/${name}`,
        name,
        turn,
        position: index + 1,
        lane: this.#queueOf(lane),
        needs: needed,
        dependants: [],
        attempts: [],
        state: needed.length === 0 ? 'ready' : 'waiting',
        agent: '',
        expiresAt: 0,
        notBefore: null,
      };
      for (const need of needed) {
        need.dependants.push(job);
      }
      made.push(job);
      this.#jobs.set(job.id, job);
      this.#open += 1;
      if (job.state === 'ready') {
        job.lane.ready.push(job);
      }
    }
  }

  setNow(now: number): void {
    this.#now = now;
    for (let next = this.#expiring.peek(); next !== undefined && next.at < now; ) {
      this.#expiring.pop();
      const { job } = next;
      if (job.state === 'leased' && job.expiresAt < now) {
        this.#settle(job, { kind: 'vanished' });
      } else if (job.state === 'leased') {
        this.#expiring.push({ at: job.expiresAt, job });
      }
      next = this.#expiring.peek();
    }
  }

  lease(name: string): Leased | undefined {
    const agent = this.#agent(name);
    agent.lastSeenAt = this.#now;
    this.#endDelays();
    const asker = { ...agent.ability, name, hasGiant: agent.giants > 0 };
    const heads = agent.lanes
      .filter(({ lane, ready }) => ready.size > 0 && (!lane.isGiant || isOpenTo(lane, asker)))
      .flatMap((queue) => this.#head(queue, name) ?? []);
    const job = firstInTurn(heads);
    if (job === undefined) {
      return undefined;
    }
    job.state = 'leased';
    job.agent = name;
    job.notBefore = null;
    job.expiresAt = this.#now + this.#settings.leaseMs;
    this.#expiring.push({ at: job.expiresAt, job });
    agent.giants += job.lane.lane.isGiant ? 1 : 0;
    const attempt = job.attempts.length + 1;
    job.attempts.push({ agent: name, attempt, wasHeard: false, outcome: null, fault: null });
    return { jobId: job.id, attempt, name: job.name };
  }

  heartbeat(key: { readonly jobId: string; readonly attempt: number; readonly agent: string }) {
    const job = this.#held(key);
    const attempt = job?.attempts.at(-1);
    if (job === undefined || attempt === undefined) {
      return 'stale';
    }
    this.#agent(key.agent).lastSeenAt = this.#now;
    attempt.wasHeard = true;
    job.expiresAt = this.#now + this.#settings.leaseMs;
    return 'go-on';
  }

  report(
    key: { readonly jobId: string; readonly attempt: number; readonly agent: string },
    { outcome, hasPackage }: Report,
  ): ReportAnswer {
    const job = this.#held(key);
    if (job === undefined) {
      const known = this.#jobs.get(key.jobId)?.attempts[key.attempt - 1];
      return known?.agent === key.agent && known.outcome === outcome && !hasPackage
        ? 'agreed'
        : 'stale';
    }
    if (outcome === 'succeeded' && !hasPackage) {
      return 'refused';
    }
    this.#settle(job, { kind: 'reported', said: outcome, outcome, reason: 'It does not compile.' });
    return 'accepted';
  }

  openJobs(): number {
    return this.#open;
  }

  states(): Record<string, string> {
    return Object.fromEntries([...this.#jobs.values()].map(({ name, state }) => [name, state]));
  }

  #agent(name: string): Agent {
    const agent = this.#agents.get(name);
    if (agent === undefined) {
      throw new Error(`there is no agent ${name}`);
    }
    return agent;
  }

  #queueOf(lane: Lane): LaneQueue {
    const known = this.#lanes.get(lane.id);
    if (known !== undefined) {
      return known;
    }
    const queue: LaneQueue = { lane, ready: new Heap<Job>(compareTurns), agents: [] };
    this.#lanes.set(lane.id, queue);
    for (const [name, agent] of this.#agents) {
      this.#match(name, agent, queue);
    }
    return queue;
  }

  #match(name: string, agent: Agent, queue: LaneQueue): void {
    if (fits(queue.lane.needs, agent.ability)) {
      agent.lanes.push(queue);
      queue.agents.push(name);
    }
  }

  #held(key: { readonly jobId: string; readonly attempt: number; readonly agent: string }) {
    const job = this.#jobs.get(key.jobId);
    const isHeld =
      job?.state === 'leased' && job.attempts.length === key.attempt && job.agent === key.agent;
    return isHeld ? job : undefined;
  }

  #endDelays(): void {
    for (let job = this.#delayed.peek(); job !== undefined; job = this.#delayed.peek()) {
      if ((job.notBefore ?? 0) > this.#now) {
        return;
      }
      this.#delayed.pop();
      job.lane.ready.push(job);
    }
  }

  /** The first job of a lane that this agent does not leave to others. */
  #head(queue: LaneQueue, agent: string): Job | undefined {
    const left: Job[] = [];
    let head = queue.ready.peek();
    while (head !== undefined && (!this.#isDue(head) || this.#leaves(agent, head))) {
      queue.ready.pop();
      if (this.#isDue(head)) {
        left.push(head);
      }
      head = queue.ready.peek();
    }
    for (const job of left) {
      queue.ready.push(job);
    }
    return head;
  }

  /** What a heap still holds of jobs that were given out is passed over, and so is what waits to be tried again. */
  #isDue(job: Job): boolean {
    return job.state === 'ready' && (job.notBefore ?? 0) <= this.#now;
  }

  #leaves(agent: string, job: Job): boolean {
    if (job.notBefore === null) {
      return false;
    }
    const failedOn = failedOnOf(job);
    return mustLeave(agent, failedOn, this.#otherThan(failedOn, job.lane));
  }

  /** One live agent that fits and is not among these, if there is one. */
  #otherThan(failedOn: ReadonlySet<string>, { agents }: LaneQueue): string[] {
    const since = this.#now - LIVE_AGENT_MS;
    const other = agents.find(
      (name) => !failedOn.has(name) && this.#agent(name).lastSeenAt > since,
    );
    return other === undefined ? [] : [other];
  }

  #settle(job: Job, end: AttemptEnd): void {
    const attempt = job.attempts.at(-1);
    if (attempt === undefined) {
      throw new Error(`the job ${job.id} was never begun`);
    }
    attempt.fault = faultOfEnd(end, attempt.wasHeard);
    attempt.outcome = end.kind === 'reported' ? end.said : end.kind;
    this.#agent(job.agent).giants -= job.lane.lane.isGiant ? 1 : 0;
    const verdict = judgeAttempt(end, attempt.fault, {
      kind: 'package',
      agent: job.agent,
      cancelledBy: null,
      tries: {
        all: job.attempts.length,
        lost: job.attempts.filter(({ fault }) => fault === 'machine').length,
        maxLost: this.#settings.maxAttempts,
        failures: job.attempts.filter(({ fault }) => fault === 'package'),
      },
      hasOtherAgent: this.#otherThan(failedOnOf(job), job.lane).length > 0,
    });
    if (verdict.state === 'ready') {
      this.#giveOut(job, verdict.isAfterFault);
      return;
    }
    this.#open -= 1;
    job.state = verdict.state === 'succeeded' ? 'succeeded' : 'failed';
    if (job.state === 'succeeded') {
      this.#readyDependants(job);
    } else {
      this.#skipDependants(job);
    }
  }

  #giveOut(job: Job, isAfterFault: boolean): void {
    job.state = 'ready';
    if (!isAfterFault) {
      job.lane.ready.push(job);
      return;
    }
    const faults = job.attempts.filter(({ fault }) => fault !== null).length;
    const delay = backoffDelay(this.#settings.retry, faults - 1, () =>
      fractionOf(`${job.id} ${faults}`),
    );
    job.notBefore = this.#now + delay;
    this.#delayed.push(job);
  }

  #readyDependants(job: Job): void {
    for (const dependant of job.dependants) {
      const isReady = dependant.needs.every(({ state }) => state === 'succeeded');
      if (dependant.state === 'waiting' && isReady) {
        dependant.state = 'ready';
        dependant.lane.ready.push(dependant);
      }
    }
  }

  #skipDependants(job: Job): void {
    const next = [...job.dependants];
    for (let one = next.pop(); one !== undefined; one = next.pop()) {
      if (one.state === 'waiting') {
        one.state = 'skipped';
        this.#open -= 1;
        next.push(...one.dependants);
      }
    }
  }
}

function failedOnOf(job: Job): ReadonlySet<string> {
  return new Set(job.attempts.flatMap(({ agent, fault }) => (fault === null ? [] : agent)));
}
