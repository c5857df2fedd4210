import type { RolloutRow } from '../../database/tables.ts';
import { isCanary } from '../plan/approvals.ts';
import type { FailedUnit } from '../plan/moment.ts';
import { spent } from '../plan/rollout-invariants.ts';
import { type Blocked, type Choice, chooseUnits } from './choose-units.ts';
import { endRollout, skipWaiting } from './end-rollout.ts';
import { approvalsOf, heldNodes } from './fleet-store.ts';
import { Ledger } from './ledger.ts';
import type { LoadedRollout, StageProgress } from './load-rollout.ts';
import { ENDED, openStages } from './open-stages.ts';
import type { Readings, SiteReading } from './readings.ts';
import type { RolloutState, WaitReason } from './rollout.ts';
import type { EngineContext } from './rollout-context.ts';
import { findRollout, rolloutStateSchema } from './rollout-store.ts';
import { judgeStage } from './stage-gates.ts';
import type { UnitProgress } from './unit-journal.ts';
import { UnitRun } from './unit-run.ts';
import { FleetIndex, type UnitScene } from './unit-scene.ts';
import { noteWaits, underWay } from './waits.ts';
import { Wake } from './wake.ts';
import { isOpen, opensAt } from './windows.ts';

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
  readonly #running = new Map<UnitProgress, UnitRun>();
  /** Since when units are left behind by others than held nodes, epoch milliseconds. */
  readonly #leftSince = new Map<UnitProgress, number>();
  readonly #failed: UnitProgress[] = [];
  readonly #sites: readonly string[];
  #row: RolloutRow;
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
    this.#failed.push(
      ...loaded.units.filter(({ state }) => state === 'undone' || state === 'held'),
    );
    const signal = AbortSignal.any([shared.signal, this.#stop.signal]);
    signal.addEventListener('abort', () => {
      this.wake();
      for (const run of this.#running.values()) {
        run.wake();
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

  /** Until the rollout has ended. Throws when it is stopped, or cannot write: the rows say how to go on. */
  async run(): Promise<void> {
    const { signal, context } = this.scene;
    try {
      for (const unit of this.#loaded.units) {
        if (unit.state === 'running' || unit.state === 'undoing') {
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
    this.#running.set(run.progress, run);
    if (this.#row.state === 'aborting') {
      run.abort();
    }
    run
      .run()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#running.delete(run.progress);
        this.wake();
      });
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
    const held = await this.#refresh();
    switch (this.#row.state) {
      case 'running':
        return await this.#goOn(held);
      case 'aborting':
        return await this.#abort();
      case 'paused':
        return false;
      default:
        return true;
    }
  }

  /** What people and other rollouts have changed meanwhile. */
  async #refresh(): Promise<ReadonlyMap<string, string>> {
    const { context, signal } = this.scene;
    const { inventory, digest } = await context.inventory();
    if (digest !== this.#fleet.digest) {
      this.#fleet = new FleetIndex(inventory, digest);
    }
    const row = await findRollout(context.database, this.id);
    signal.throwIfAborted();
    if (row?.runner !== this.#shared.runner) {
      throw new Error(`the rollout ${this.id} is carried out by another server`);
    }
    this.#row = row;
    const rows = await heldNodes(context.database);
    return new Map(rows.map(({ node, because }) => [node, because]));
  }

  async #goOn(held: ReadonlyMap<string, string>): Promise<boolean> {
    const { context, plan, ledger } = this.scene;
    const { stages } = this.#loaded;
    const approvals = await approvalsOf(context.database, this.id);
    const approved = new Set(approvals.map(({ of_stage: of }) => of));
    const open = openStages(stages, plan.policy, approved, context.time.now());
    const choice = await this.#choose(open.candidates, held);
    await this.#begin(choice.begin);
    const left = this.#leftFor(choice.left);
    const waits = [...open.waits, ...choice.waits];
    for (const stage of stages) {
      if (stage.passedAt === null) {
        const until = await this.#passStage(stage, left);
        if (until !== undefined) {
          waits.push(...until);
          break;
        }
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

  async #choose(
    candidates: readonly UnitProgress[],
    held: ReadonlyMap<string, string>,
  ): Promise<Choice> {
    const { context, readings, plan } = this.scene;
    const sites = new Set(
      candidates.filter(({ effect }) => effect.isNoticeable).map(({ unit }) => unit.site),
    );
    const read = new Map<string, SiteReading>();
    await Promise.all(
      [...sites].map(async (name) => {
        const site = this.#fleet.site(name);
        if (site !== undefined) {
          read.set(name, await readings.of(site));
        }
      }),
    );
    const now = context.time.now();
    const windows = new Map<
      string,
      { readonly isOpen: boolean; readonly opensAt: number | null }
    >();
    return chooseUnits(candidates, {
      policy: plan.policy,
      fleet: this.#fleet,
      running: [...this.#running.keys()],
      held,
      member: (site, node) => read.get(site)?.member(node) ?? 'unknown',
      window: (site) => {
        const known = windows.get(site.name);
        const found = known ?? {
          isOpen: isOpen(site, now),
          opensAt: isOpen(site, now) ? null : opensAt(site, now),
        };
        windows.set(site.name, found);
        return found;
      },
      isWayBack: plan.reverses !== null,
    });
  }

  async #begin(units: readonly UnitProgress[]): Promise<void> {
    const begun = await Promise.all(
      units.map(async (unit) => {
        const run = this.#newRun(unit);
        return (await run.begin()) ? [run] : [];
      }),
    );
    for (const run of begun.flat()) {
      this.#carryOut(run);
    }
  }

  /** Of the units that are left behind, those for which nobody waits: by a held node, or for longer than anybody is patient. */
  #leftFor(left: Choice['left']): ReadonlyMap<UnitProgress, Blocked> {
    const { time, settings } = this.scene.context;
    const now = time.now();
    for (const unit of this.#leftSince.keys()) {
      if (!left.has(unit)) {
        this.#leftSince.delete(unit);
      }
    }
    const kept = new Map<UnitProgress, Blocked>();
    for (const [unit, why] of left) {
      const since = this.#leftSince.get(unit) ?? now;
      this.#leftSince.set(unit, since);
      const isImpatient = now - since >= settings.patienceSeconds * SECOND_MS;
      if (why.kind === 'held' || why.kind === 'gone' || isImpatient) {
        kept.set(unit, why);
      }
    }
    return kept;
  }

  /** Undefined when the stage has passed; otherwise what it waits for. */
  async #passStage(
    stage: StageProgress,
    left: ReadonlyMap<UnitProgress, Blocked>,
  ): Promise<readonly WaitReason[] | undefined> {
    const { ledger, context } = this.scene;
    const open = stage.units.find((unit) => !ENDED.includes(unit.state) && !left.has(unit));
    if (open !== undefined) {
      return underWay(this.#running.keys());
    }
    const now = context.time.now();
    if (stage.endedAt === null) {
      const { id } = stage.stage;
      await ledger.write({
        stage: { position: stage.position, change: { ended_at: now } },
        events: [this.#event('rollout-stage-ended', { stage: id })],
      });
      stage.endedAt = now;
    }
    const hasRun = stage.units.some(({ startedAt }) => startedAt !== null);
    const until = stage.endedAt + stage.stage.soakSeconds * SECOND_MS;
    if (hasRun && now < until) {
      const sentence = `${stage.stage.id} has ended and is watched.`;
      return [{ kind: 'soak', unit: null, sentence, until }];
    }
    const because = hasRun ? await judgeStage(this.scene, stage) : undefined;
    if (because !== undefined) {
      await ledger.write({ pause: because });
      return [{ kind: 'gate', unit: null, sentence: because, until: null }];
    }
    await ledger.write({
      stage: { position: stage.position, change: { passed_at: now } },
      events: [this.#event('rollout-stage-passed', { stage: stage.stage.id })],
    });
    stage.passedAt = now;
    this.wake();
    return undefined;
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
    await skipWaiting(this.scene, this.#loaded.units, (unit) =>
      as === 'aborted' ? 'The rollout was aborted.' : (left.get(unit)?.sentence ?? ''),
    );
    const missing = await endRollout(this.scene, { units: this.#loaded.units, as });
    if (missing !== undefined) {
      const wait = { kind: 'end-check', unit: null, sentence: missing, until: null };
      await noteWaits(this.scene.ledger, this.#row, { waits: [wait] });
    }
    return missing === undefined;
  }

  #event(kind: string, data: Readonly<Record<string, unknown>>) {
    const subject = `rollout:${this.id}`;
    return { kind, subject, actor: 'server', data: { rollout: this.id, ...data } };
  }
}
