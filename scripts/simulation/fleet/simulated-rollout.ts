import { type Database, openDatabase } from '../../../src/database/database.ts';
import { fleetGates } from '../../../src/fleet/rollout/fleet-gates.ts';
import { Readings } from '../../../src/fleet/rollout/readings.ts';
import type { EngineContext } from '../../../src/fleet/rollout/rollout-context.ts';
import { DEFAULT_SETTINGS, transactor } from '../../../src/fleet/rollout/rollout-context.ts';
import { RolloutRunner } from '../../../src/fleet/rollout/rollout-runner.ts';
import { insertRollout, standingOf } from '../../../src/fleet/rollout/rollout-store.ts';
import { approve, start } from '../../../src/fleet/rollout/steer-rollout.ts';
import { Journal } from '../../../src/journal/journal.ts';
import { Locks } from '../../../src/support/locks.ts';
import { silentLog } from '../../../src/support/log.ts';
import { MortalEngine } from './mortal-engine.ts';
import type { Planned } from './random-rollout.ts';
import { type Fates, GOOD_FATES, SimulatedFleet } from './simulated-fleet.ts';
import { SimulatedTime } from './simulated-time.ts';
import { WatchedFleet } from './watched-fleet.ts';

const PERSON = 'token:operator';
/** How often an engine looks when nothing tells it, ms. */
export const LOOK_MS = 60_000;

/** One rollout by the real engine, on a simulated fleet that is watched and a database in memory that outlives engines. */
export class SimulatedRollout {
  readonly planned: Planned;
  readonly time: SimulatedTime;
  readonly fleet: SimulatedFleet;
  readonly watched: WatchedFleet;
  readonly mortal = new MortalEngine();
  readonly database: Database;
  readonly #journal: Journal;
  #runner: RolloutRunner | undefined;

  private constructor(planned: Planned, fates: Fates, time: SimulatedTime, database: Database) {
    this.planned = planned;
    this.time = time;
    this.database = database;
    this.#journal = new Journal(database, time);
    this.fleet = new SimulatedFleet(planned.inventory, time, {
      fates,
      serves: { release: 'v1', tree: '8.3.1-r1' },
    });
    this.watched = new WatchedFleet(planned.plan, planned.inventory, this.fleet, time);
    this.#journal.listen((event) => {
      this.watched.hear(event);
    });
  }

  /** `grainMs`: of its time. */
  static async open(
    planned: Planned,
    fates: Partial<Fates> = {},
    grainMs = 1,
  ): Promise<SimulatedRollout> {
    const time = new SimulatedTime(undefined, grainMs);
    const database = await openDatabase(':memory:', time);
    return new SimulatedRollout(planned, { ...GOOD_FATES, ...fates }, time, database);
  }

  get isEnded(): boolean {
    return ['done', 'done-with-held', 'aborted'].includes(this.watched.state);
  }

  /** What a person works with: nothing of it dies with an engine. */
  get desk(): Pick<EngineContext, 'database' | 'transact' | 'inventory'> {
    const { database, time, planned } = this;
    return {
      database,
      transact: transactor(database, this.#journal, time),
      inventory: async () => ({ inventory: planned.inventory, digest: planned.plan.inventory }),
    };
  }

  /** Keeps the plan, approves whatever has to be approved, and starts it and an engine. */
  async start(): Promise<void> {
    const { plan } = this.planned;
    const made = { at: this.time.now(), by: PERSON, reason: 'a simulation', before: '{}' };
    await this.database.transaction().execute(async (queries) => {
      await insertRollout(queries, plan, made);
    });
    for (const of of ['start', ...plan.stages.map(({ id }) => id)]) {
      await approve(this.desk, plan, of, PERSON);
    }
    await start(this.desk, plan, PERSON);
    await this.newEngine();
  }

  /** What the rollout has last said that it waits for, and why it is in its state. */
  async waits(): Promise<string> {
    const row = await standingOf(this.database, this.planned.plan.id);
    return `${row?.state ?? ''} ${row?.because ?? ''} ${row?.waits_json ?? ''}`;
  }

  /** An engine, instead of the one that was killed. */
  async newEngine(): Promise<void> {
    // Nothing is left of it: whatever it still wanted to do is never done.
    void this.#runner?.stop();
    this.mortal.revive();
    this.#runner = new RolloutRunner(this.#context(), this.#journal);
    await this.#runner.start();
  }

  #context(): EngineContext {
    const { time } = this;
    const drivers = this.watched.wrap(this.fleet.drivers());
    const { desk } = this;
    const parts = this.mortal.wrap({ drivers, transact: desk.transact, time });
    return {
      ...desk,
      ...parts,
      log: silentLog(),
      judges: fleetGates(parts.drivers, new Readings(parts.drivers.balancers, parts.time)),
      timestampOf: async ({ serial }) => serial * 1000,
      isProven: async () => null,
      locks: new Locks(),
      settings: {
        ...DEFAULT_SETTINGS,
        pollMs: { first: 1000, most: 30_000 },
        lookMs: LOOK_MS,
        watchMs: LOOK_MS,
      },
    };
  }

  /** Throws when the engine cannot be stopped because it was killed: then nobody stops it. */
  async stop(): Promise<void> {
    if (!this.mortal.isDead) {
      await this.#runner?.stop();
    }
    await this.database.destroy();
  }
}
