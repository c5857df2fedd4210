import type { NodeCommand } from '../../../src/fleet/plan/plan.ts';
import { wishesOf } from '../../../src/fleet/rollout/fleet-store.ts';
import { abort, pause, resume } from '../../../src/fleet/rollout/steer-rollout.ts';
import { isAppError } from '../../../src/support/errors.ts';
import { pick, type Random } from './random-rollout.ts';
import { type Fates, SECONDS } from './simulated-fleet.ts';
import type { StepFate } from './simulated-node.ts';
import { LOOK_MS, type SimulatedRollout } from './simulated-rollout.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** Between two looks at a balancer that was started anew. */
const LOOK = 10 * SECOND;
/** How long a balancer that answers may go on without what it has forgotten, beside a living engine. */
const FORGETS_MS = 3 * LOOK_MS;
/** After so many looks at a rollout that is paused, and one for each of so many nodes, a person gives up. */
const MOST_LOOKS = 12;
const NODES_PER_LOOK = 10;

/** How bad a world is: 0, nothing ever happens; 1, something all the time. */
export interface Badness {
  readonly steps: number;
  readonly world: number;
}

/** What chance makes of steps. */
export function randomFates(random: Random, { steps }: Badness): Fates {
  return {
    step: (_, command) => fateOf(command, random, steps),
    requestMs: () => random() * (random() < 0.05 * steps ? 120 : 5) * SECOND,
    losesCache: () => random() < 0.1 * steps,
  };
}

function fateOf({ name }: NodeCommand, random: Random, bad: number): StepFate {
  const isSlow = random() < 0.02 * bad;
  const seconds = (SECONDS[name] ?? 2) * (0.5 + random());
  return {
    seconds: isSlow ? seconds + random() * 6000 : seconds,
    exitCode: random() < 0.03 * bad ? 1 : 0,
    isInterrupted: random() < 0.02 * bad,
    delivery: random() < 0.04 * bad ? pick(random, ['unanswered', 'lost'] as const) : 'answered',
  };
}

/** Nodes that die and come back, balancers that forget, engines that are killed, and people. */
export class Troubles {
  readonly counts = { deaths: 0, cuts: 0, restarts: 0, kills: 0 };
  readonly #world: SimulatedRollout;
  readonly #random: Random;
  readonly #bad: number;
  readonly #nodes: readonly string[];
  #looks = 0;

  constructor(world: SimulatedRollout, random: Random, { world: bad }: Badness) {
    this.#world = world;
    this.#random = random;
    this.#bad = bad;
    this.#nodes = [...world.fleet.nodes.keys()];
  }

  begin(): void {
    if (this.#bad > 0) {
      this.#again(60 * MINUTE, () => {
        this.#nodeDies();
      });
      this.#again(40 * MINUTE, () => {
        this.#nodeIsCut();
      });
      this.#again(30 * MINUTE, () => {
        this.#balancerFails();
      });
      this.#again(20 * MINUTE, () => {
        this.#engineDies();
      });
      this.#again(300 * MINUTE, () => {
        this.#steer(async ({ desk, planned }) => {
          await pause(desk, planned.plan.id, 'a person wants to look', 'token:operator');
        });
      });
    }
    this.#personLooks();
  }

  /** Now and then, until the rollout has ended. */
  #again(meanMs: number, act: () => void): void {
    const { time } = this.#world;
    const next = (): void => {
      const wait = (-Math.log(1 - this.#random()) * meanMs) / this.#bad;
      time.after(wait, () => {
        if (!this.#world.isEnded) {
          act();
          next();
        }
      });
    };
    next();
  }

  #nodeDies(): void {
    const node = this.#world.fleet.node({ node: pick(this.#random, this.#nodes) });
    this.counts.deaths += 1;
    node.die();
    if (this.#random() < 0.85) {
      this.#world.time.after(MINUTE * (1 + this.#random() * 40), () => {
        node.revive();
      });
    }
  }

  #nodeIsCut(): void {
    const node = this.#world.fleet.node({ node: pick(this.#random, this.#nodes) });
    this.counts.cuts += 1;
    node.cutOff(true);
    this.#world.time.after(MINUTE * this.#random() * 30, () => {
      node.cutOff(false);
    });
  }

  #balancerFails(): void {
    const { fleet, planned, time } = this.#world;
    const site = pick(this.#random, planned.inventory.sites);
    const { name } = pick(this.#random, site.balancers);
    const balancer = fleet.balancer(site, name);
    this.counts.restarts += 1;
    if (this.#random() < 0.7) {
      balancer.restart();
    }
    if (this.#random() < 0.5) {
      balancer.isAway = true;
      time.after(MINUTE * this.#random() * 5, () => {
        balancer.isAway = false;
      });
    }
    this.#remembers(site.name, name, 0);
  }

  /** Whether the engine has told a balancer again what it had forgotten, once both were there for long enough. */
  #remembers(site: string, name: string, calmMs: number): void {
    this.#world.time.after(LOOK, () => {
      this.#looksAt(site, name, calmMs).catch((error: unknown) => {
        this.#world.watched.breaks(String(error));
      });
    });
  }

  async #looksAt(site: string, name: string, calmMs: number): Promise<void> {
    const { fleet, mortal, watched, database } = this.#world;
    const wishes = await wishesOf(database, site);
    const wanted = new Map(wishes.map(({ server, admin_state: to }) => [server, to]));
    const isThere = !mortal.isDead && !fleet.balancer({ name: site }, name).isAway;
    const forgotten = watched.forgotten({ name: site }, name, wanted);
    if (this.#world.isEnded || (forgotten === undefined && isThere)) {
      return;
    }
    if (forgotten !== undefined && isThere && calmMs > FORGETS_MS) {
      watched.breaks(forgotten);
    }
    this.#remembers(site, name, isThere ? calmMs + LOOK : 0);
  }

  /** Killed at one of its next calls; another one takes over. */
  #engineDies(): void {
    const { mortal, time } = this.#world;
    if (mortal.isDead) {
      return;
    }
    this.counts.kills += 1;
    mortal.dieIn(1 + Math.floor(this.#random() * 60), pick(this.#random, ['before', 'after']));
    const wait = MINUTE + this.#random() * 5 * MINUTE;
    const replace = (): void => {
      if (mortal.isDead) {
        void this.#world.newEngine();
      } else {
        time.after(wait, replace);
      }
    };
    time.after(wait, replace);
  }

  #personLooks(): void {
    this.#world.time.after(10 * MINUTE, () => {
      if (this.#world.watched.state === 'paused') {
        this.#looks += 1;
        const most = MOST_LOOKS + this.#nodes.length / NODES_PER_LOOK;
        const isPatient = this.#looks < most && this.#random() < 1 - 1 / most;
        this.#repair();
        this.#steer(async ({ desk, planned: { plan } }) => {
          await (isPatient
            ? resume(desk, plan.id, 'token:operator')
            : abort(desk, plan.id, 'a person gives up', 'token:operator'));
        });
      }
      if (!this.#world.isEnded) {
        this.#personLooks();
      }
    });
  }

  /** Some of the nodes that are dead are brought back. */
  #repair(): void {
    for (const node of this.#world.fleet.nodes.values()) {
      if (node.isDead && this.#random() < 0.5) {
        node.revive();
      }
    }
  }

  #steer(act: (world: SimulatedRollout) => Promise<void>): void {
    act(this.#world).catch((error: unknown) => {
      // Meanwhile the rollout may have become something for which the person comes too late.
      if (!isAppError(error, 'rollout-state')) {
        this.#world.watched.breaks(String(error));
      }
    });
  }
}
