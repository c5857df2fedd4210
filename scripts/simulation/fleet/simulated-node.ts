import type { NodeFacts, NodeStep, NodeStepState } from '../../../src/fleet/drivers/ports.ts';
import type { NodeCommand } from '../../../src/fleet/plan/plan.ts';
import { AppError } from '../../../src/support/errors.ts';
import type { SimulatedTime } from './simulated-time.ts';

/** What befalls a step on a node. */
export interface StepFate {
  readonly seconds: number;
  readonly exitCode: number;
  /** The node is restarted, or its runner killed, in the middle of it. */
  readonly isInterrupted: boolean;
  /** `lost`: it never gets there; `unanswered`: it does, and nobody hears of it. */
  readonly delivery: 'answered' | 'unanswered' | 'lost';
}

interface SimulatedStep {
  readonly step: NodeStep;
  readonly startedAt: number;
  ended: { readonly exitCode: number } | 'interrupted' | undefined;
}

const BOOT_SECONDS = 60;

/** A node that does what it is told, each step once, and is sometimes away. */
export class SimulatedNode {
  readonly name: string;
  readonly steps = new Map<string, SimulatedStep>();
  /** How often each command had its effect, by its id. */
  readonly effects = new Map<string, number>();
  release: string | null;
  phpActive: string | null;
  mergedTimestamp: number | null = null;
  isWebRunning = true;
  readonly #time: SimulatedTime;
  readonly #timestampOf: (serial: number) => number;
  readonly #onChange: (node: SimulatedNode) => void;
  #boots = 1;
  #awayUntil = 0;
  /** Whether its web server is started at the end of the boot under way. */
  #servesAfterBoot = true;
  #isDead = false;
  #isCut = false;

  constructor(
    name: string,
    time: SimulatedTime,
    serves: { readonly release: string | null; readonly tree: string | null },
    hooks: {
      readonly timestampOf: (serial: number) => number;
      readonly onChange: (node: SimulatedNode) => void;
    },
  ) {
    this.name = name;
    this.#time = time;
    this.release = serves.release;
    this.phpActive = serves.tree;
    this.#timestampOf = hooks.timestampOf;
    this.#onChange = hooks.onChange;
  }

  get isReachable(): boolean {
    return !this.#isDead && !this.#isCut && this.#time.now() >= this.#awayUntil;
  }

  /** Whether its web server answers the checks of a balancer. */
  get isUp(): boolean {
    return !this.#isDead && this.#time.now() >= this.#awayUntil && this.isWebRunning;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get isBooting(): boolean {
    return this.#time.now() < this.#awayUntil;
  }

  /** It is gone until somebody revives it. */
  die(): void {
    this.#isDead = true;
    this.#interruptAll();
    this.#onChange(this);
  }

  /** Its web server ends, and nobody has told it to. */
  stopServing(): void {
    this.isWebRunning = false;
    this.#onChange(this);
  }

  revive(): void {
    if (this.#isDead) {
      this.#isDead = false;
      this.#boots += 1;
      this.isWebRunning = true;
      this.#onChange(this);
    }
  }

  /** The way to it is cut: it serves, and nobody can command it. */
  cutOff(isCut: boolean): void {
    this.#isCut = isCut;
  }

  take(step: NodeStep, fate: StepFate): void {
    this.#requireReachable();
    if (this.steps.has(step.id)) {
      return;
    }
    if (fate.delivery !== 'lost') {
      this.#begin(step, fate);
    }
    if (fate.delivery !== 'answered') {
      throw unreachable(this.name);
    }
  }

  stateOf(id: string): NodeStepState {
    this.#requireReachable();
    const found = this.steps.get(id);
    if (found === undefined) {
      return { state: 'absent' };
    }
    if (found.ended === 'interrupted') {
      return { state: 'interrupted' };
    }
    if (found.ended === undefined) {
      return { state: 'running', seconds: (this.#time.now() - found.startedAt) / 1000 };
    }
    const output = found.ended.exitCode === 0 ? 'done' : `${found.step.command.name} did not work`;
    return { state: 'done', exitCode: found.ended.exitCode, output };
  }

  look(): NodeFacts {
    this.#requireReachable();
    return {
      bootId: `${this.name}-boot-${this.#boots}`,
      kernel: '6.6.1',
      isWebRunning: this.isWebRunning,
      phpActive: this.phpActive,
      release: this.release,
      mergedTimestamp: this.mergedTimestamp,
    };
  }

  #begin(step: NodeStep, fate: StepFate): void {
    const begun: SimulatedStep = { step, startedAt: this.#time.now(), ended: undefined };
    this.steps.set(step.id, begun);
    this.effects.set(step.id, (this.effects.get(step.id) ?? 0) + 1);
    this.#time.after(fate.seconds * 1000, () => {
      if (begun.ended !== undefined) {
        return;
      }
      if (fate.isInterrupted) {
        this.#restart();
      } else {
        begun.ended = { exitCode: fate.exitCode };
        if (fate.exitCode === 0) {
          this.#apply(step.command);
        }
        this.#onChange(this);
      }
    });
  }

  #apply(command: NodeCommand): void {
    if (command.name === 'stop-web' || command.name === 'start-web') {
      this.isWebRunning = command.name === 'start-web';
    } else if (command.name === 'merge') {
      this.mergedTimestamp = this.#timestampOf(command.publication.serial);
    } else if (command.name === 'activate-php') {
      this.phpActive = command.tree.id;
    } else if (command.name === 'activate-release') {
      this.release = command.release.release;
    } else if (command.name === 'reboot') {
      this.#restart();
    }
  }

  #restart(): void {
    this.#interruptAll();
    this.#boots += 1;
    if (!this.isBooting) {
      this.#servesAfterBoot = this.isWebRunning;
    }
    const until = this.#time.now() + BOOT_SECONDS * 1000;
    this.#awayUntil = until;
    this.isWebRunning = false;
    this.#time.at(until, () => {
      if (this.#awayUntil === until) {
        this.isWebRunning = this.#servesAfterBoot;
        this.#onChange(this);
      }
    });
    this.#onChange(this);
  }

  #interruptAll(): void {
    for (const step of this.steps.values()) {
      step.ended ??= 'interrupted';
    }
  }

  #requireReachable(): void {
    if (!this.isReachable) {
      throw unreachable(this.name);
    }
  }
}

function unreachable(node: string): AppError {
  return new AppError('node-unreachable', `${node} does not answer.`);
}
