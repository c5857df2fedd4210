import { isCanary } from '../plan/approvals.ts';
import type { FailedUnit } from '../plan/moment.ts';
import { spent } from '../plan/rollout-invariants.ts';
import type { Blocked, Choice } from './choose-units.ts';
import { endRollout, skipWaiting } from './end-rollout.ts';
import { approvalsOf, heldNodes } from './fleet-store.ts';
import { Ledger } from './ledger.ts';
import { LeftBehind } from './left-behind.ts';
import type { LoadedRollout } from './load-rollout.ts';
import { ENDED, isUnderWay, openStages } from './open-stages.ts';
import { passStage } from './pass-stage.ts';
import type { Readings } from './readings.ts';
import type { RolloutState } from './rollout.ts';
import type { EngineContext } from './rollout-context.ts';
import { type RolloutStanding, rolloutStateSchema, standingOf } from './rollout-store.ts';
import { UnitChooser } from './unit-chooser.ts';
import type { UnitProgress } from './unit-journal.ts';
import { UnitRun } from './unit-run.ts';
import { FleetIndex, type UnitScene } from './unit-scene.ts';
import { noteWaits, underWay } from './waits.ts';
import { Wake } from './wake.ts';

const SECOND_MS = 1000;

/** What it shares with other rollouts of this engine. */
export interface Shared {
  readonly context: EngineContext;
  readonly readings: Readings;
  readonly signal: AbortSignal;
  readonly runner: string;
}

/** Carries one rollout out until it has ended. Everything that it decides follows from rows and from what is observed. */
export class RolloutRun {
  readonly id: string;
  readonly scene: UnitScene;
  readonly #shared: Shared;
  readonly #loaded: LoadedRollout;
  readonly #wake: Wake;
  readonly #stop = new AbortController();
  readonly #chooser: UnitChooser;
  readonly #running = new Map<UnitProgress, UnitRun>();
  readonly #begun: UnitProgress[] = [];
  readonly #leftBehind: LeftBehind;
  readonly #failed: UnitProgress[] = [];
  readonly #sites: readonly string[];
  #row: RolloutStanding;
  #held = new Map<string, string>();
  #fleet: FleetIndex;
  #failure: { readonly error: unknown } | undefined;

  constructor(shared: Shared, loaded: LoadedRollout, fleet: FleetIndex) {
    this.id = loaded.row.id;
    this.#shared = shared;
    this.#loaded = loaded;
    this.#row = loaded.row;
    this.#sites = [...new Set(loaded.units.map(({ unit }) => unit.site))];
    this.#fleet = fleet;
    this.#wake = new Wake(shared.context.time);
    this.#chooser = new UnitChooser(loaded.plan, fleet, {
      readings: shared.readings,
      againMs: shared.context.settings.lookMs,
    });
    this.#leftBehind = new LeftBehind(shared.context.settings.patienceSeconds * SECOND_MS);
    this.#failed.push(
      ...loaded.units.filter(({ state }) => state === 'undone' || state === 'held'),
    );
    const signal = AbortSignal.any([shared.signal, this.#stop.signal]);
    signal.addEventListener('abort', () => {
      this.wake();
      for (const run of this.#running.values()) {
        run.stop(signal.reason);
      }
    });
    const ledger = new Ledger(
      shared.context,
      { rollout: this.id, runner: shared.runner, signal },
      () => {
        this.wake();
      },
    );
    this.scene = {
      context: shared.context,
      plan: loaded.plan,
      readings: shared.readings,
      ledger,
      fleet: () => this.#fleet,
      signal,
    };
  }

  /** Something may have changed. */
  wake(): void {
    this.#wake.now();
  }

  get state(): RolloutState {
    return rolloutStateSchema.parse(this.#row.state);
  }

  /** When a person let it go on last, epoch milliseconds; 0: never. */
  get resumedAt(): number {
    return this.#row.resumed_at ?? 0;
  }

  /** Names of the sites that the plan touches. */
  get sites(): readonly string[] {
    return this.#sites;
  }

  /** Units that failed since a person let the rollout go on. */
  get failed(): readonly FailedUnit[] {
    const since = this.resumedAt;
    const types = this.#loaded.stages.map((one) => one.stage);
    return this.#failed
      .filter(({ endedAt }) => endedAt === null || endedAt >= since)
      .map(({ unit, stage }) => ({
        unit: unit.id,
        farm: unit.farm,
        profile: this.#fleet.member(unit.nodes[0] ?? '')?.profile ?? '',
        isCanary: isCanary(types, stage),
      }));
  }

  get loaded(): LoadedRollout {
    return this.#loaded;
  }

  /** Units that are under way. */
  get underWay(): ReadonlySet<UnitProgress> {
    return this.#chooser.underWay;
  }

  /** Units that have begun since this was asked last. */
  takeBegun(): readonly UnitProgress[] {
    return this.#begun.splice(0);
  }

  /** Until the rollout has ended. Throws when it is stopped, or cannot write: the rows say how to go on. */
  async run(): Promise<void> {
    const { signal, context } = this.scene;
    try {
      for (const unit of this.#loaded.units) {
        if (unit.state === 'running' || unit.state === 'undoing') {
          this.#chooser.take(unit);
          this.#carryOut(this.#newRun(unit));
        }
      }
      while (!(await this.#turn())) {
        await this.#wake.wait(context.settings.lookMs);
        signal.throwIfAborted();
        if (this.#failure !== undefined) {
          throw this.#failure.error;
        }
      }
    } finally {
      this.#stop.abort(new Error(`the rollout ${this.id} is left as it is`));
    }
  }

  #newRun(unit: UnitProgress): UnitRun {
    const steps = this.#loaded.steps.get(unit.position) ?? [];
    return new UnitRun(this.scene, unit, unit.startedAt === null ? [] : steps, (failed) =>
      this.#onFailure(failed),
    );
  }

  #carryOut(run: UnitRun): void {
    const { progress } = run;
    const { signal } = this.scene;
    this.#running.set(progress, run);
    this.#countUnderWay(progress, 1);
    if (this.#row.state === 'aborting') {
      run.abort();
    }
    if (signal.aborted) {
      run.stop(signal.reason);
    }
    run
      .run()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#running.delete(progress);
        this.#countUnderWay(progress, -1);
        if (progress.state === 'held') {
          this.#noteHeld(progress);
        }
        this.#chooser.release(progress);
        this.wake();
      });
  }

  #countUnderWay({ stage }: UnitProgress, by: 1 | -1): void {
    const of = this.#loaded.stages[stage];
    if (of !== undefined) {
      of.underWay += by;
    }
  }

  /** Before the next look says so. */
  #noteHeld({ unit, because }: UnitProgress): void {
    for (const node of unit.nodes) {
      this.#held.set(node, because ?? '');
    }
  }

  /** A sentence when the budget is spent with it. */
  #onFailure(unit: UnitProgress): string | undefined {
    this.#failed.push(unit);
    const why = spent({
      id: this.id,
      plan: this.#loaded.plan,
      state: 'running',
      approved: [],
      isProven: null,
      failed: this.failed,
      touched: new Set(),
    });
    return why && `${why}: ${unit.because ?? ''}`;
  }

  /** One look at everything. True when the rollout has ended. */
  async #turn(): Promise<boolean> {
    await this.#refresh();
    switch (this.#row.state) {
      case 'running':
        return await this.#goOn();
      case 'aborting':
        return await this.#abort();
      case 'paused':
        return false;
      default:
        return true;
    }
  }

  /** What people and other rollouts have changed meanwhile. */
  async #refresh(): Promise<void> {
    const { context, signal } = this.scene;
    const { inventory, digest } = await context.inventory();
    if (digest !== this.#fleet.digest) {
      this.#fleet = new FleetIndex(inventory, digest);
      this.#chooser.moveTo(this.#fleet);
    }
    const row = await standingOf(context.database, this.id);
    signal.throwIfAborted();
    if (row?.runner !== this.#shared.runner) {
      throw new Error(`the rollout ${this.id} is carried out by another server`);
    }
    if (row.resumed_at !== this.#row.resumed_at) {
      this.#chooser.lookAnew();
    }
    this.#row = row;
    const rows = await heldNodes(context.database);
    this.#held = new Map(rows.map(({ node, because }) => [node, because]));
  }

  async #goOn(): Promise<boolean> {
    const { context, plan, ledger } = this.scene;
    const { stages } = this.#loaded;
    const approved = await this.#approved();
    const now = context.time.now();
    const open = openStages(stages, plan.policy, approved, now);
    const choice = await this.#chooser.choose(open.candidates, { now, held: this.#held });
    await this.#begin(choice);
    const left = this.#leftBehind.of(choice.left, context.time.now());
    const waits = [...open.waits, ...choice.waits];
    for (const stage of stages) {
      if (stage.passedAt === null) {
        const until = isUnderWay(stage, left)
          ? underWay(this.#running.keys())
          : await passStage(this.scene, stage, this.underWay);
        if (until !== undefined) {
          waits.push(...until);
          break;
        }
        this.wake();
      }
    }
    const isQuiet =
      open.current === undefined && this.#running.size === 0 && choice.begin.length === 0;
    if (
      isQuiet &&
      this.#loaded.units.every((unit) => ENDED.includes(unit.state) || left.has(unit))
    ) {
      return await this.#end(left, 'done');
    }
    const current = stages.find(({ passedAt }) => passedAt === null);
    await noteWaits(ledger, this.#row, { stage: current?.stage.id ?? null, waits });
    return false;
  }

  /** Names of stages that somebody has let begin. */
  async #approved(): Promise<ReadonlySet<string>> {
    const { context, plan } = this.scene;
    if (plan.policy.approvals.every((of) => of === 'start' || of === 'second')) {
      return new Set();
    }
    const approvals = await approvalsOf(context.database, this.id);
    return new Set(approvals.map(({ of_stage: of }) => of));
  }

  async #begin({ begin, out }: Choice): Promise<void> {
    const { touched } = this.#loaded;
    const begun = await Promise.all(
      begin.map(async (unit) => {
        const run = this.#newRun(unit);
        const isBegun = await run.begin(out);
        if (!isBegun) {
          this.#chooser.release(unit);
        }
        return isBegun ? [run] : [];
      }),
    );
    for (const run of begun.flat()) {
      this.#begun.push(run.progress);
      touched.add(run.progress, out);
      this.#carryOut(run);
    }
  }

  async #abort(): Promise<boolean> {
    for (const run of this.#running.values()) {
      run.abort();
    }
    if (this.#running.size === 0) {
      return await this.#end(new Map(), 'aborted');
    }
    await noteWaits(this.scene.ledger, this.#row, { waits: underWay(this.#running.keys()) });
    return false;
  }

  async #end(left: ReadonlyMap<UnitProgress, Blocked>, as: 'done' | 'aborted'): Promise<boolean> {
    const { units, touched } = this.#loaded;
    await skipWaiting(this.scene, units, (unit) =>
      as === 'aborted' ? 'The rollout was aborted.' : (left.get(unit)?.sentence ?? ''),
    );
    const missing = await endRollout(this.scene, { units, touched, as });
    if (missing !== undefined) {
      const wait = { kind: 'end-check', unit: null, sentence: missing, until: null };
      await noteWaits(this.scene.ledger, this.#row, { waits: [wait] });
    }
    return missing === undefined;
  }
}
