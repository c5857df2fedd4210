import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { LeaseKey } from '../../src/builds/builds.ts';
import { FINAL_JOB_STATES } from '../../src/builds/request.ts';
import { isAppError } from '../../src/support/errors.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { rounds } from '../support/test-database.ts';
import { packageBytes } from './fake-repository.ts';
import { cpvOf, Farm, makePlan, makeProfile, SETTINGS } from './farm.ts';

const folder = temporaryFolder();
const AGENTS = ['one', 'two', 'three'] as const;
const COUNT = AGENTS.length;
/** Half a lease each: enough for the longest wait for a trial. */
const TRIAL_ROUNDS = 60;

interface World {
  readonly jobs: number;
  readonly edges: readonly {
    readonly from: number;
    readonly to: number;
    readonly isRun: boolean;
  }[];
  /** Packages that never compile. */
  readonly broken: ReadonlySet<string>;
  readonly steps: readonly Step[];
}

type Step =
  | {
      readonly do: 'lease' | 'report' | 'report-twice' | 'beat' | 'log' | 'die' | 'fault';
      readonly agent: number;
    }
  | { readonly do: 'race'; readonly agent: number }
  | { readonly do: 'wait'; readonly share: number }
  | { readonly do: 'jump'; readonly hours: number }
  | { readonly do: 'restart' | 'kill' };

const name = (index: number): string => `a/p${index}-1`;

function anyWorld(): fc.Arbitrary<World> {
  const agent = fc.nat(COUNT - 1);
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('lease' as const), agent }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('race' as const), agent }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('report' as const), agent }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('report-twice' as const), agent }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constantFrom('beat', 'log', 'die', 'fault'), agent }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('jump' as const), hours: fc.constantFrom(-3, 3) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('wait' as const), share: fc.constantFrom(0.4, 1.1) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('restart', 'kill') }) },
  );
  return fc.integer({ min: 1, max: 8 }).chain((jobs) =>
    fc.record({
      jobs: fc.constant(jobs),
      edges: fc.array(
        fc.record({ from: fc.nat(jobs - 1), to: fc.nat(jobs - 1), isRun: fc.boolean() }),
        { maxLength: 12 },
      ),
      broken: fc.array(fc.nat(jobs - 1), { maxLength: 2 }).map((all) => new Set(all.map(name))),
      steps: fc.array(step, { minLength: 5, maxLength: 40 }),
    }),
  );
}

/** What agents do and suffer; the promises of the queue are checked on the way. */
class Simulation {
  readonly #farm: Farm;
  readonly #world: World;
  readonly #held = new Map<string, { readonly key: LeaseKey; readonly cpv: string }>();
  readonly #unexpected: unknown[] = [];
  #requestId = '';

  constructor(farm: Farm, world: World) {
    this.#farm = farm;
    this.#world = world;
  }

  async run(): Promise<void> {
    await this.#begin();
    for (const step of this.#world.steps) {
      await this.#step(step);
    }
    await this.#finish();
    expect(this.#unexpected).toEqual([]);
    await this.#check();
  }

  async #begin(): Promise<void> {
    const { jobs, edges } = this.#world;
    const names = Array.from({ length: jobs }, (_, index) => name(index));
    const plan = makePlan(
      names,
      edges
        .filter(({ from, to }) => from > to)
        .map(({ from, to, isRun }) => [name(from), name(to), isRun ? 'runtime' : 'buildtime']),
    );
    this.#requestId = (await this.#farm.plan(plan, 'testing')).id;
    for (const agent of AGENTS) {
      await this.#farm.agent(agent);
    }
  }

  async #step(step: Step): Promise<void> {
    if ('agent' in step && step.do !== 'race') {
      await this.#agentDoes(step.do, AGENTS[step.agent] ?? 'one');
      return;
    }
    switch (step.do) {
      case 'wait':
        this.#farm.clock.advance(Math.ceil(SETTINGS.leaseMs * step.share));
        return;
      case 'jump':
        this.#farm.clock.jump(3_600_000 * step.hours);
        return;
      case 'restart':
        await this.#farm.stop();
        await this.#farm.start();
        return;
      case 'kill':
        await this.#killInTheMiddle();
        return;
      case 'race':
        await Promise.all(AGENTS.map(async (agent) => await this.#lease(agent)));
        return;
    }
  }

  async #agentDoes(what: string, agent: string): Promise<void> {
    switch (what) {
      case 'lease':
        await this.#lease(agent);
        return;
      case 'report':
        await this.#report(agent, 1);
        return;
      case 'report-twice':
        await this.#report(agent, 2);
        return;
      case 'die':
        this.#held.delete(agent);
        return;
      default:
        await this.#talk(agent, what);
    }
  }

  /** Everybody is in the middle of something when the database goes away. */
  async #killInTheMiddle(): Promise<void> {
    const { builds } = this.#farm;
    const held = [...this.#held.values()];
    const calls = [
      ...held.map(async ({ key, cpv }) => {
        await this.#deliver(builds, key, cpv);
      }),
      this.#farm.lease(AGENTS[0]),
    ];
    const ended = Promise.allSettled(calls);
    for (let turn = 0; turn < this.#world.steps.length % 7; turn += 1) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
    }
    await this.#farm.kill();
    await ended;
    await this.#farm.start();
  }

  async #lease(agent: string): Promise<void> {
    if (this.#held.has(agent)) {
      return;
    }
    const lease = await this.#farm.lease(agent);
    if (lease === undefined) {
      return;
    }
    const key = { jobId: lease.jobId, attempt: lease.attempt, agent };
    this.#held.set(agent, { key, cpv: cpvOf(lease) });
    const jobs = await this.#farm.builds.jobsOf(this.#requestId);
    const stateOf = new Map(jobs.map(({ id, state }) => [id, state]));
    const job = jobs.find(({ id }) => id === lease.jobId);
    expect((job?.needs ?? []).map((need) => stateOf.get(need))).toEqual(
      (job?.needs ?? []).map(() => 'succeeded'),
    );
  }

  async #report(agent: string, times: number): Promise<void> {
    const held = this.#held.get(agent);
    if (held === undefined) {
      return;
    }
    const outcomes: string[] = [];
    for (let time = 0; time < times; time += 1) {
      outcomes.push(
        await this.#orStale(async () => await this.#deliver(this.#farm.builds, held.key, held.cpv)),
      );
    }
    expect(new Set(outcomes).size).toBe(1);
    this.#held.delete(agent);
  }

  async #deliver(builds: Farm['builds'], key: LeaseKey, cpv: string): Promise<void> {
    if (this.#world.broken.has(cpv)) {
      await builds.acceptResult(key, { outcome: 'failed', reason: 'It is broken.' });
      return;
    }
    await this.#farm.uploadTo(builds, key, packageBytes(cpv, `${key.jobId}/${key.attempt}`));
    await builds.acceptResult(key, { outcome: 'succeeded' });
  }

  async #talk(agent: string, what: string): Promise<void> {
    const held = this.#held.get(agent);
    if (held === undefined) {
      return;
    }
    const { builds } = this.#farm;
    const answer = await this.#orStale(async () => {
      if (what === 'fault') {
        await this.#farm.fail(held.key, 'No space left on device.', 'disk-full');
      } else {
        await (what === 'beat'
          ? builds.heartbeat(held.key)
          : builds.appendLog(held.key, 0, Buffer.from('line')));
      }
    });
    if (answer === 'stale' || what === 'fault') {
      this.#held.delete(agent);
    }
  }

  async #orStale(work: () => Promise<void>): Promise<'fine' | 'stale'> {
    try {
      await work();
      return 'fine';
    } catch (error) {
      if (!isAppError(error, 'stale-attempt')) {
        this.#unexpected.push(error);
      }
      return 'stale';
    }
  }

  /** From here on nothing goes wrong any more: a bounded number of rounds has to do. */
  async #finish(): Promise<void> {
    for (let round = 0; round < 3 * this.#world.jobs + 5 + TRIAL_ROUNDS; round += 1) {
      for (const agent of AGENTS) {
        await this.#report(agent, 1);
        await this.#lease(agent);
      }
      if ((await this.#farm.request(this.#requestId)).finishedAt !== null) {
        break;
      }
      this.#farm.clock.advance(SETTINGS.leaseMs / 2);
    }
    await this.#farm.finished(this.#requestId);
  }

  async #check(): Promise<void> {
    const states = await this.#farm.states(this.#requestId);
    expect(states).toEqual(this.#expectedStates());
    const isGood = Object.values(states).every((state) => state === 'succeeded');
    const request = await this.#farm.request(this.#requestId);
    expect(request.state).toBe(isGood ? 'done' : 'failed');
    expect(this.#farm.disk.publications).toHaveLength(isGood ? 1 : 0);
    const events = await this.#farm.database
      .selectFrom('events')
      .selectAll()
      .orderBy('seq')
      .execute();
    for (const job of await this.#farm.builds.jobsOf(this.#requestId)) {
      expect(FINAL_JOB_STATES).toContain(job.state);
      const mine = events
        .filter(({ subject }) => subject === `job:${job.id}`)
        .map(({ kind }) => kind);
      expect(mine.filter((kind) => kind === 'job-finished')).toHaveLength(1);
      expect(mine.at(-1)).toBe('job-finished');
      expect(mine.filter((kind) => kind === 'job-leased')).toHaveLength(job.attempt);
    }
    const built = await this.#farm.builds.packagesOf(this.#requestId);
    expect(built.map((one) => one.package.cpv).toSorted()).toEqual(
      Object.keys(states)
        .filter((cpv) => states[cpv] === 'succeeded')
        .toSorted(),
    );
  }

  #expectedStates(): Record<string, string> {
    const states: Record<string, string> = {};
    for (let index = 0; index < this.#world.jobs; index += 1) {
      const needs = this.#world.edges.filter(({ from, to }) => from === index && to < index);
      const isSkipped = needs.some(({ to }) => states[name(to)] !== 'succeeded');
      const ownState = this.#world.broken.has(name(index)) ? 'failed' : 'succeeded';
      states[name(index)] = isSkipped ? 'skipped' : ownState;
    }
    return states;
  }
}

describe('the queue', () => {
  it('ends every request rightly, whatever agents and the server suffer on the way', async () => {
    await fc.assert(
      fc.asyncProperty(anyWorld(), async (world) => {
        const place = mkdtempSync(join(folder, 'world-'));
        const farm = await Farm.start(place, [makeProfile()], {
          maxAttempts: 1000,
          retry: { initialMs: 1000, maximumMs: 60_000 },
          breaker: { failures: 2, trialMs: SETTINGS.leaseMs },
        });
        try {
          await new Simulation(farm, world).run();
        } finally {
          await farm.stop();
          rmSync(place, { recursive: true });
        }
      }),
      { numRuns: rounds(80), endOnFailure: true },
    );
  }, 240_000);
});
