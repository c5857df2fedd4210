import * as z from 'zod';
import {
  type Fates,
  GOOD_FATES,
  SimulatedFleet,
} from '../../../scripts/simulation/fleet/simulated-fleet.ts';
import { SimulatedTime } from '../../../scripts/simulation/fleet/simulated-time.ts';
import { type Database, openDatabase } from '../../../src/database/database.ts';
import type { Drivers, GateJudge } from '../../../src/fleet/drivers/ports.ts';
import type { Inventory } from '../../../src/fleet/inventory/inventory.ts';
import type { RolloutPlan } from '../../../src/fleet/plan/plan.ts';
import type { GateName } from '../../../src/fleet/plan/policy.ts';
import { approvalsOf } from '../../../src/fleet/rollout/fleet-store.ts';
import {
  ROLLOUT_STATES,
  type RolloutState,
  UNIT_STATES,
  type UnitState,
  type WaitReason,
} from '../../../src/fleet/rollout/rollout.ts';
import {
  DEFAULT_SETTINGS,
  type EngineContext,
  type EngineSettings,
  transactor,
} from '../../../src/fleet/rollout/rollout-context.ts';
import { RolloutRunner } from '../../../src/fleet/rollout/rollout-runner.ts';
import {
  findRollout,
  insertRollout,
  unitStatesOf,
} from '../../../src/fleet/rollout/rollout-store.ts';
import { approve, start } from '../../../src/fleet/rollout/steer-rollout.ts';
import { readWaits } from '../../../src/fleet/rollout/waits.ts';
import { Journal } from '../../../src/journal/journal.ts';
import { newId } from '../../../src/support/ids.ts';
import { Locks } from '../../../src/support/locks.ts';
import { silentLog } from '../../../src/support/log.ts';
import { settled } from '../../support/settled.ts';
import { IS_POSTGRESQL, openTestDatabase } from '../../support/test-database.ts';

/** Nobody knows what was there before. */
const BEFORE = JSON.stringify({ publications: [], trees: [], release: null });

export interface WorldOptions {
  readonly fates?: Partial<Fates>;
  readonly judges?: ReadonlyMap<GateName, GateJudge>;
  readonly settings?: Partial<EngineSettings>;
  readonly isProven?: EngineContext['isProven'];
  /** Where its database is, as `openDatabase` takes it; in memory unless it says otherwise. */
  readonly place?: string;
  /** What is put between the engine and the world. */
  readonly wrap?: (
    parts: Pick<EngineContext, 'drivers' | 'transact'>,
  ) => Pick<EngineContext, 'drivers' | 'transact'>;
}

/** An engine with a simulated fleet, on a database in memory that stays when the engine is killed. */
export class RolloutWorld {
  readonly inventory: Inventory;
  readonly time: SimulatedTime;
  readonly fleet: SimulatedFleet;
  readonly database: Database;
  readonly journal: Journal;
  readonly drivers: Drivers;
  readonly #options: WorldOptions;
  context: EngineContext;
  runner: RolloutRunner;

  private constructor(
    inventory: Inventory,
    database: Database,
    time: SimulatedTime,
    options: WorldOptions,
  ) {
    this.inventory = inventory;
    this.#options = options;
    this.time = time;
    this.database = database;
    this.fleet = new SimulatedFleet(inventory, this.time, {
      fates: { ...GOOD_FATES, ...options.fates },
    });
    this.drivers = this.fleet.drivers();
    this.journal = new Journal(database, this.time);
    this.context = this.#newContext();
    this.runner = new RolloutRunner(this.context, this.journal);
  }

  static async open(inventory: Inventory, options: WorldOptions = {}): Promise<RolloutWorld> {
    const time = new SimulatedTime(undefined, undefined, settled);
    const { place } = options;
    const database =
      IS_POSTGRESQL && place === undefined
        ? await openTestDatabase(newId('world'), time)
        : await openDatabase(place ?? ':memory:', time);
    return new RolloutWorld(inventory, database, time, options);
  }

  #newContext(): EngineContext {
    const { database, journal, time, drivers } = this;
    const parts = { drivers, transact: transactor(database, journal, time) };
    return {
      database,
      time,
      ...(this.#options.wrap?.(parts) ?? parts),
      log: silentLog(),
      judges: this.#options.judges ?? new Map(),
      inventory: async () => ({ inventory: this.inventory, digest: 'inventory' }),
      timestampOf: async ({ serial }) => serial * 1000,
      isProven: this.#options.isProven ?? (async () => null),
      locks: new Locks(),
      settings: { ...DEFAULT_SETTINGS, lookMs: 10_000, watchMs: 10_000, ...this.#options.settings },
    };
  }

  /** Who judges from now on: of an engine that has not begun. */
  setJudges(judges: EngineContext['judges']): void {
    this.context = { ...this.context, judges };
    this.runner = new RolloutRunner(this.context, this.journal);
  }

  /** Keeps the plan as a draft. */
  async keep(plan: RolloutPlan): Promise<void> {
    const made = { at: this.time.now(), by: 'token:test', reason: 'a test', before: BEFORE };
    await this.database.transaction().execute(async (queries) => {
      await insertRollout(queries, plan, made);
    });
  }

  async approve(plan: RolloutPlan, of: string): Promise<void> {
    await approve(this.context, plan, of, 'token:test');
  }

  /** Starts what was kept; the engine does not know yet. */
  async begin(plan: RolloutPlan): Promise<void> {
    await start(this.context, plan, 'token:test');
  }

  /** Keeps the plan, and starts it and the engine. */
  async start(plan: RolloutPlan): Promise<void> {
    await this.keep(plan);
    await this.begin(plan);
    await this.runner.start();
  }

  /** The engine that was killed is replaced by a new one. */
  async replaceEngine(): Promise<void> {
    this.context = this.#newContext();
    this.runner = new RolloutRunner(this.context, this.journal);
    await this.runner.start();
  }

  async state(plan: RolloutPlan): Promise<RolloutState> {
    const row = await findRollout(this.database, plan.id);
    return z.enum(ROLLOUT_STATES).parse(row?.state);
  }

  async because(plan: RolloutPlan): Promise<string | null> {
    return (await findRollout(this.database, plan.id))?.because ?? null;
  }

  /** What every server says that it waits for. */
  async waits(plan: RolloutPlan): Promise<readonly WaitReason[]> {
    const row = await findRollout(this.database, plan.id);
    const approvals = await approvalsOf(this.database, plan.id);
    return row === undefined
      ? []
      : readWaits(
          row,
          approvals.map(({ of_stage: of }) => of),
        );
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    const until = this.time.now() + ms;
    this.time.after(ms, () => undefined);
    await this.time.runUntil(() => this.time.now() >= until);
  }

  async units(plan: RolloutPlan): Promise<Readonly<Record<string, UnitState>>> {
    const rows = await unitStatesOf(this.database, plan.id);
    return Object.fromEntries(
      rows.map(({ unit, state }) => [unit, z.enum(UNIT_STATES).parse(state)]),
    );
  }

  /** Lets time pass until the journal has an event of this kind (from now on). */
  async until(kind: string | RegExp, mostMs?: number): Promise<void> {
    let isThere = false;
    const unlisten = this.journal.listen((event) => {
      isThere ||= typeof kind === 'string' ? event.kind === kind : kind.test(event.kind);
    });
    try {
      await this.time.runUntil(() => isThere, mostMs);
    } finally {
      unlisten();
    }
  }

  async ended(mostMs?: number): Promise<void> {
    await this.until(/^rollout-(done|done-with-held|aborted)$/, mostMs);
  }

  async stop(): Promise<void> {
    await this.runner.stop();
    await this.database.destroy();
  }
}
