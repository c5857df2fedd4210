import type { FarmPort, Key, Leased, ReportAnswer } from './farm-port.ts';
import { Heap } from './heap.ts';
import { seeded, seedOf } from './seeded.ts';

/** A package that is to be built, as the simulation knows it. */
export interface SimulatedPackage {
  readonly name: string;
  readonly needs: readonly string[];
  readonly ms: number;
  /** It compiles nowhere. */
  readonly isBroken: boolean;
  readonly isGiant: boolean;
}

export interface SimulatedAgent {
  readonly name: string;
  readonly slots: number;
  /** How much longer a second lasts on its clock: with 5 it sends heartbeats so seldom that it loses each lease. */
  readonly skew: number;
}

/** How often of all jobs; together at most 1. */
export interface Faults {
  /** Falls silent, and comes back much later with a result. */
  readonly vanish: number;
  /** Says that it succeeded and has no package, then speaks for an attempt that it was not given, then asks for more. */
  readonly lie: number;
  /** Reports twice. */
  readonly repeat: number;
  /** Fails for no reason. */
  readonly fail: number;
}

export interface World {
  readonly packages: readonly SimulatedPackage[];
  readonly agents: readonly SimulatedAgent[];
  readonly faults: Faults;
  readonly seed: number;
  readonly startAt: number;
  readonly leaseMs: number;
  /** Simulated time after which all has to be over. */
  readonly mostMs: number;
  /** Told of each thing that happens. */
  readonly onTrace?: (line: string) => void;
}

export interface Outcome {
  readonly leases: number;
  readonly succeeded: number;
  /** Results that came too late, and were turned away. */
  readonly stale: number;
  readonly refused: number;
  readonly events: number;
  readonly tookMs: number;
}

const HEARTBEAT_MS = 15_000;
/** An agent that got nothing asks again after so long, or when it is woken. */
const ASK_AGAIN_MS = 120_000;
/** Agents that are woken when something was done; each that gets a job wakes one more. */
const WOKEN = 3;
const MINUTE = 60_000;

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => Promise<void>;
}

type Temper = 'honest' | 'vanish' | 'lie' | 'repeat' | 'fail';

/**
 * Lets simulated agents work through what a farm hands out, and checks on the way what must hold, by a record of its own
 * of what was acknowledged: no job is acknowledged twice or handed out once it is done, none is handed out before
 * what it needs is done, no agent has two giants, and it comes to an end. Throws at the first breach.
 */
export class Simulation {
  readonly #farm: FarmPort;
  readonly #world: World;
  readonly #packages: ReadonlyMap<string, SimulatedPackage>;
  readonly #events = new Heap<Event>((one, other) => one.at - other.at || one.order - other.order);
  readonly #done = new Set<string>();
  /** Agent -> its giant, and when the farm last heard of it. */
  readonly #giants = new Map<string, { readonly name: string; heardAt: number }>();
  #now: number;
  #order = 0;
  #asked = 0;
  readonly #parked: (() => Promise<void>)[] = [];
  #isOver = false;
  readonly #counts = { leases: 0, stale: 0, refused: 0 };

  constructor(farm: FarmPort, world: World) {
    this.#farm = farm;
    this.#world = world;
    this.#now = world.startAt;
    this.#packages = new Map(world.packages.map((one) => [one.name, one]));
  }

  async run(): Promise<Outcome> {
    for (const agent of this.#world.agents) {
      for (let slot = 0; slot < agent.slots; slot += 1) {
        this.#in(slot + 1, async () => await this.#ask(agent));
      }
    }
    for (let event = this.#events.pop(); event !== undefined; event = this.#events.pop()) {
      this.#now = event.at;
      if (this.#now > this.#world.startAt + this.#world.mostMs) {
        throw this.#breach(`${await this.#farm.openJobs()} jobs are still open`);
      }
      await this.#farm.setNow(this.#now);
      await event.run();
    }
    return {
      ...this.#counts,
      succeeded: this.#done.size,
      events: this.#order,
      tookMs: this.#now - this.#world.startAt,
    };
  }

  get done(): ReadonlySet<string> {
    return this.#done;
  }

  #in(ms: number, run: () => Promise<void>): void {
    this.#order += 1;
    this.#events.push({ at: this.#now + Math.max(1, Math.round(ms)), order: this.#order, run });
  }

  #trace(line: string): void {
    this.#world.onTrace?.(`${this.#now} ${line}`);
  }

  #breach(what: string): Error {
    return new Error(
      `seed ${this.#world.seed}, after ${this.#now - this.#world.startAt} ms: ${what}`,
    );
  }

  async #ask(agent: SimulatedAgent): Promise<void> {
    if (this.#isOver) {
      return;
    }
    const leased = await this.#farm.lease(agent.name);
    if (leased !== undefined) {
      this.#trace(`${agent.name} takes ${leased.name} ${leased.attempt}`);
      this.#wake(1);
      this.#begin(agent, leased);
      return;
    }
    this.#asked += 1;
    if (this.#asked % 16 === 0) {
      this.#isOver = (await this.#farm.openJobs()) === 0;
    }
    this.#trace(`${agent.name} gets nothing`);
    this.#park(agent);
  }

  #park(agent: SimulatedAgent): void {
    let isParked = true;
    const ask = async (): Promise<void> => {
      if (isParked) {
        isParked = false;
        await this.#ask(agent);
      }
    };
    this.#parked.push(ask);
    const wait =
      ASK_AGAIN_MS * (0.5 + this.#chance(`${agent.name} ${this.#now - this.#world.startAt}`));
    this.#in(wait, ask);
  }

  #wake(count: number): void {
    for (const ask of this.#parked.splice(0, count)) {
      this.#in(1, ask);
    }
  }

  #chance(what: string): number {
    return seeded(seedOf(`${this.#world.seed} ${what}`))();
  }

  #begin(agent: SimulatedAgent, leased: Leased): void {
    const work = this.#packages.get(leased.name);
    if (work === undefined) {
      throw this.#breach(`${leased.name} is no package of this world`);
    }
    this.#counts.leases += 1;
    if (this.#done.has(leased.name)) {
      throw this.#breach(`${leased.name} was handed out after it was done`);
    }
    const missing = work.needs.find((need) => !this.#done.has(need));
    if (missing !== undefined) {
      throw this.#breach(`${leased.name} was handed out before ${missing} was done`);
    }
    this.#noteGiant(agent.name, work);
    const job = { agent, leased, work, key: { ...leased, agent: agent.name } };
    const temper = this.#temperOf(job);
    if (temper === 'vanish') {
      const away =
        (1 + 20 * this.#chance(`away ${agent.name} ${leased.name} ${leased.attempt}`)) * MINUTE;
      this.#in(away, async () => await this.#end(job, 'honest'));
    } else if (temper === 'lie') {
      this.#in(work.ms / 4, async () => await this.#lie(job));
    } else {
      const took = temper === 'fail' ? work.ms / 2 : work.ms;
      this.#beat(job, { endsAt: this.#now + took, temper });
    }
  }

  #noteGiant(agent: string, work: SimulatedPackage): void {
    if (!work.isGiant) {
      return;
    }
    const other = this.#giants.get(agent);
    if (other !== undefined && this.#now - other.heardAt < this.#world.leaseMs) {
      throw this.#breach(`${agent} was given the giant ${work.name} while it builds ${other.name}`);
    }
    this.#giants.set(agent, { name: work.name, heardAt: this.#now });
  }

  #temperOf({ leased, key: { attempt, agent } }: Job): Temper {
    const { vanish, lie, repeat, fail } = this.#world.faults;
    const drawn = this.#chance(`${leased.name} ${attempt} ${agent}`);
    const bounds: readonly (readonly [Temper, number])[] = [
      ['vanish', vanish],
      ['lie', vanish + lie],
      ['repeat', vanish + lie + repeat],
      ['fail', vanish + lie + repeat + fail],
    ];
    return bounds.find(([, bound]) => drawn < bound)?.[0] ?? 'honest';
  }

  /** Builds until the next heartbeat or the end, whichever comes first. */
  #beat(job: Job, plan: { readonly endsAt: number; readonly temper: Temper }): void {
    const left = plan.endsAt - this.#now;
    const pause = HEARTBEAT_MS * job.agent.skew;
    if (left <= pause) {
      this.#in(left, async () => await this.#end(job, plan.temper));
      return;
    }
    this.#in(pause, async () => {
      const answer = await this.#farm.heartbeat(job.key);
      if (answer === 'stale') {
        this.#trace(`${job.key.agent} has lost ${job.leased.name} ${job.key.attempt}`);
        this.#next(job);
      } else {
        const giant = this.#giants.get(job.key.agent);
        if (giant?.name === job.leased.name) {
          giant.heardAt = this.#now;
        }
        this.#beat(job, plan);
      }
    });
  }

  async #lie(job: Job): Promise<void> {
    const success = { outcome: 'succeeded', hasPackage: false } as const;
    const answer = await this.#farm.report(job.key, success);
    const forged = { ...job.key, attempt: job.key.attempt + 1 };
    const other = await this.#farm.report(forged, { outcome: 'succeeded', hasPackage: true });
    if (answer === 'accepted' || other !== 'stale') {
      throw this.#breach(`a lie about ${job.leased.name} was believed: ${answer}, ${other}`);
    }
    this.#counts.refused += 1;
    this.#trace(`${job.key.agent} lies about ${job.leased.name}: ${answer}, ${other}`);
    this.#next(job);
  }

  async #end(job: Job, temper: Temper): Promise<void> {
    const isGood = !job.work.isBroken && temper !== 'fail';
    const outcome = isGood ? 'succeeded' : 'failed';
    const answer = await this.#farm.report(job.key, { outcome, hasPackage: isGood });
    this.#trace(`${job.key.agent} ${outcome} ${job.leased.name} ${job.key.attempt}: ${answer}`);
    this.#note(job, { outcome, answer });
    this.#wake(WOKEN);
    if (this.#giants.get(job.key.agent)?.name === job.leased.name) {
      this.#giants.delete(job.key.agent);
    }
    if (temper === 'repeat') {
      const again = await this.#farm.report(job.key, { outcome, hasPackage: false });
      if (answer === 'accepted' && again !== 'agreed') {
        throw this.#breach(`the second report about ${job.leased.name} was answered ${again}`);
      }
    }
    this.#next(job);
  }

  #note(
    job: Job,
    { outcome, answer }: { readonly outcome: string; readonly answer: ReportAnswer },
  ) {
    if (answer === 'stale') {
      this.#counts.stale += 1;
    } else if (answer !== 'accepted') {
      throw this.#breach(`an honest report about ${job.leased.name} was answered ${answer}`);
    } else if (outcome === 'succeeded') {
      if (this.#done.has(job.leased.name)) {
        throw this.#breach(`${job.leased.name} was acknowledged twice`);
      }
      this.#done.add(job.leased.name);
    }
  }

  #next(job: Job): void {
    this.#in(1, async () => await this.#ask(job.agent));
  }
}

interface Job {
  readonly agent: SimulatedAgent;
  readonly leased: Leased;
  readonly work: SimulatedPackage;
  readonly key: Key;
}
