import { violations } from '../../../src/fleet/plan/invariants.ts';
import type { FleetMoment } from '../../../src/fleet/plan/moment.ts';
import type { Action, RolloutPlan, Stage, Step, Unit } from '../../../src/fleet/plan/plan.ts';
import type { PlanInput } from '../../../src/fleet/plan/plan-input.ts';
import type { Violation } from '../../../src/fleet/plan/violation.ts';
import { ModelFleet } from './model-fleet.ts';

export interface Play {
  /** From 0 up to but not 1, always the same for a seed. */
  readonly random: () => number;
  /** How likely a step fails, and a node dies between two steps. */
  readonly failure: number;
  readonly death: number;
}

export interface Played {
  /** Only what a rollout did: that a node dies is nobody's fault. */
  readonly broken: readonly Violation[];
  readonly events: number;
  readonly outcome: 'done' | 'done-with-held' | 'aborted';
  readonly fleet: ModelFleet;
}

interface Run {
  readonly unit: Unit;
  readonly stage: Stage;
  /** What is still to do, forward or back. */
  rest: Action[];
  /** Steps that have begun, the last one first: what is taken back. */
  begun: Step[];
  next: number;
  isBack: boolean;
}

/**
 * Follows a plan as an engine may: units of a stage in any order and interleaved, within the barriers; steps fail, nodes die. A unit
 * that fails is taken back or held. Every invariant is asserted after every action.
 */
export function playPlan(plan: RolloutPlan, input: PlanInput, play: Play): Played {
  return new Player(plan, input, play).run();
}

class Player {
  readonly #plan: RolloutPlan;
  readonly #play: Play;
  readonly #fleet: ModelFleet;
  readonly #broken: Violation[] = [];
  readonly #ended = new Set<string>();
  readonly #running: Run[] = [];
  #before: FleetMoment;
  #events = 0;
  #isAborting = false;

  constructor(plan: RolloutPlan, input: PlanInput, play: Play) {
    this.#plan = plan;
    this.#play = play;
    this.#fleet = new ModelFleet(plan, input, play.random);
    this.#before = this.#fleet.moment([]);
    this.#broken.push(...violations(this.#before, null));
  }

  run(): Played {
    for (let bound = 0; bound < 200_000; bound += 1) {
      const waiting = this.#beginnable();
      const choices = waiting.length + this.#running.length;
      if (choices === 0) {
        return this.#end();
      }
      const choice = Math.floor(this.#play.random() * choices);
      const begins = waiting[choice];
      if (begins !== undefined) {
        this.#begin(begins);
      } else {
        this.#go(choice - waiting.length);
      }
      this.#mayDie();
    }
    throw new Error('the plan does not end');
  }

  /** Units that may begin now: of the first stage that has not ended, or with the barrier `farm` of any farm's own first. */
  #beginnable(): readonly { readonly stage: Stage; readonly unit: Unit }[] {
    if (this.#isAborting) {
      return [];
    }
    const open = this.#plan.stages.filter(({ units }) =>
      units.some(({ id }) => !this.#ended.has(id)),
    );
    const first = open[0];
    const stages =
      this.#plan.policy.barrier === 'farm' && first?.type === 'wave' ? open : open.slice(0, 1);
    const busy = new Set(stages.length > 1 ? this.#running.map(({ unit }) => unit.farm) : []);
    return stages.flatMap((stage) => {
      const units = stage.units.filter(
        ({ id, farm }) =>
          !this.#ended.has(id) &&
          !this.#running.some((run) => run.unit.id === id) &&
          !busy.has(farm),
      );
      for (const { farm } of stages.length > 1 ? units : []) {
        busy.add(farm);
      }
      return units.map((unit) => ({ stage, unit }));
    });
  }

  #begin({ stage, unit }: { readonly stage: Stage; readonly unit: Unit }): void {
    if (!this.#fleet.canSpare(unit)) {
      this.#ended.add(unit.id);
      return;
    }
    this.#fleet.own(unit.nodes, true);
    this.#running.push({ unit, stage, rest: [], begun: [], next: 0, isBack: false });
    this.#look([{ rollout: this.#plan.id, unit: unit.id, site: unit.site, isInWindow: null }]);
  }

  #go(index: number): void {
    const run = this.#running[index];
    if (run === undefined) {
      throw new Error(`there is no unit ${index}`);
    }
    const step = run.unit.steps[run.next];
    const action = run.isBack ? run.rest[0] : step?.action;
    if (action === undefined) {
      this.#finish(run);
      return;
    }
    if (!run.isBack && step !== undefined) {
      run.begun.unshift(step);
      run.next += 1;
    } else {
      run.rest.shift();
    }
    // A farm that has just lost a member keeps the others: taking one out waits, and at last fails.
    const fails = this.#play.random() < this.#play.failure || !this.#fleet.act(action);
    this.#look([]);
    if (fails) {
      this.#fail(run);
    }
  }

  #fail(run: Run): void {
    const canGoBack = !run.isBack && this.#plan.policy.onFailure === 'undo';
    if (canGoBack && run.begun.every(({ isFinal }) => isFinal !== true)) {
      run.isBack = true;
      run.rest = run.begun.flatMap(({ undo }) => undo);
    } else {
      this.#fleet.hold(run.unit.nodes);
      this.#close(run);
    }
    this.#fleet.failed.push({
      unit: run.unit.id,
      farm: run.unit.farm,
      profile: this.#fleet.profileOf(run.unit.nodes[0] ?? ''),
      isCanary: run.stage.type === 'canary',
    });
    this.#isAborting ||= this.#fleet.isSpent();
    this.#look([]);
  }

  #finish(run: Run): void {
    // What died meanwhile does not serve: a unit is done when its nodes do.
    const dead = run.unit.nodes.filter((node) => !this.#fleet.serves(node));
    this.#fleet.hold(dead);
    this.#close(run);
    this.#look([]);
  }

  #close(run: Run): void {
    this.#fleet.own(run.unit.nodes, false);
    this.#ended.add(run.unit.id);
    this.#running.splice(this.#running.indexOf(run), 1);
  }

  #mayDie(): void {
    if (this.#play.random() < this.#play.death) {
      this.#fleet.die(this.#play.random());
      this.#look([]);
    }
  }

  #end(): Played {
    this.#fleet.holdDead();
    const outcome = this.#fleet.end(this.#isAborting);
    this.#look([]);
    return { broken: this.#broken, events: this.#events, outcome, fleet: this.#fleet };
  }

  #look(begun: FleetMoment['begun']): void {
    const now = this.#fleet.moment(begun);
    this.#broken.push(...violations(now, this.#before).filter(({ cause }) => cause === 'rollout'));
    this.#before = now;
    this.#events += 1;
  }
}
