import {
  type RequestDetail,
  requestDetailSchema,
  requestViewSchema,
} from '../../src/protocol/builds.ts';
import { sleep } from '../../src/support/clock.ts';
import { insist } from '../../test/support/insist.ts';
import { seeded } from '../simulation/seeded.ts';
import { finalFaults, placeFaults, roundFaults } from './judge-round.ts';
import { Observer } from './judged-observer.ts';
import { atomOf, BROKEN, GOOD, PROFILE, SKIPPED, SLOW } from './judged-packages.ts';
import { JudgedWorld, type WorldOptions } from './judged-world.ts';

export interface JudgedOptions extends WorldOptions {
  readonly seed: number;
  /** SIGKILL for an agent or the server so many times. */
  readonly kills: number;
  /** And for PostgreSQL so many times. */
  readonly postmasterKills: number;
  /** Between two kills, on average. */
  readonly killEveryMs: number;
  /** Also builds the graph on all agents and on one, undisturbed. */
  readonly isTimed: boolean;
  readonly say: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface JudgedReport {
  readonly faults: readonly string[];
  readonly rounds: number;
  readonly killed: Readonly<Record<'server' | 'agents' | 'postmaster', number>>;
  readonly attempts: number;
  readonly lostAttempts: number;
  readonly looks: number;
  /** At single jobs, as `build why` does. */
  readonly looksAtOne: number;
  /** How often each reason was given. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Without anybody killed, in seconds. */
  readonly wall: { readonly all: number; readonly one: number } | undefined;
}

/** A package may take minutes where others use the machine, and is begun again after each kill. */
const ROUND_MS = 3_600_000;
/** Where others use the machine, too. */
const LONGEST_START_MS = 300_000;
const REPORT_CANCELLED_AFTER_MS = 1500;
/** Of so many kills one is the server's. */
const SERVER_EVERY = 4;

/**
 * What the farm is judged by: agents build a graph of twelve packages, one of which fails and takes two others with it, and
 * one is cancelled, while agents, the server and the database are killed. What was lost, done twice or said wrongly is
 * in `faults`.
 */
export async function judgeFarm(folder: string, options: JudgedOptions): Promise<JudgedReport> {
  const world = await JudgedWorld.make(folder, options);
  const stopped = new Promise<never>((_, reject) => {
    options.signal?.addEventListener('abort', () => {
      reject(new Error('stopped before its end'));
    });
  });
  try {
    return await Promise.race([new JudgedFarm(world, options).run(), stopped]);
  } finally {
    await world.end();
  }
}

class JudgedFarm {
  readonly #world: JudgedWorld;
  readonly #options: JudgedOptions;
  readonly #observer: Observer;
  readonly #random: () => number;
  readonly #killed = { server: 0, agents: 0, postmaster: 0 };
  readonly #faults: string[] = [];
  #rounds = 0;
  #attempts = 0;
  #lost = 0;
  /** Resolves when nobody is asked for something that may only be asked once. */
  #asking: Promise<unknown> = Promise.resolve();

  constructor(world: JudgedWorld, options: JudgedOptions) {
    this.#world = world;
    this.#options = options;
    this.#observer = new Observer(world.server);
    this.#random = seeded(options.seed);
  }

  async run(): Promise<JudgedReport> {
    const { isTimed, kills } = this.#options;
    const wall = isTimed ? await this.#timeUndisturbed() : undefined;
    await this.#world.start();
    let isRunning = true;
    const observing = this.#observer.run(() => isRunning);
    const killing = this.#killAll();
    const building = async (): Promise<void> => {
      do {
        await this.#round();
      } while (this.#killed.server + this.#killed.agents < kills);
      await killing;
      await this.#conclude();
    };
    try {
      // Whichever fails first ends all: what is left running would be left behind.
      await Promise.all([building(), killing]);
    } finally {
      isRunning = false;
      await observing;
    }
    this.#faults.push(...(await this.#world.stopAgents()));
    this.#faults.push(...(await placeFaults(this.#world.server.folder)));
    return {
      faults: [...this.#faults, ...this.#observer.faults],
      rounds: this.#rounds,
      killed: this.#killed,
      attempts: this.#attempts,
      lostAttempts: this.#lost,
      looks: this.#observer.looks,
      looksAtOne: this.#observer.looksAtOne,
      reasons: Object.fromEntries(this.#observer.reasons),
      wall,
    };
  }

  /** The buildable part of the graph on all agents, and on one. */
  async #timeUndisturbed(): Promise<{ readonly all: number; readonly one: number }> {
    const seconds: number[] = [];
    for (const agents of [this.#world.agents, this.#world.agents.slice(0, 1)]) {
      await this.#world.start(agents.map(({ name }) => name));
      const begun = performance.now();
      const id = await this.#request({ atoms: GOOD.map(atomOf), rebuild: true });
      const { state } = await this.#ended(id);
      seconds.push((performance.now() - begun) / 1000);
      if (state !== 'done') {
        this.#faults.push(`undisturbed, the request ended as ${state}`);
      }
      await this.#world.stopAgents();
      await this.#world.server.program.stop();
    }
    const [all = 0, one = 0] = seconds;
    this.#options.say(`undisturbed: ${all.toFixed(1)} s on all agents, ${one.toFixed(1)} s on one`);
    return { all, one };
  }

  async #round(): Promise<void> {
    this.#rounds += 1;
    const atoms = [...GOOD, BROKEN, ...SKIPPED].map(atomOf);
    const graph = await this.#request({ atoms, rebuild: true, retry: true });
    const slow = await this.#request({ atoms: [atomOf(SLOW)], rebuild: true, priority: 1 });
    const cancelled = await this.#cancelOnceItBuilds(slow);
    const detail = await this.#ended(graph);
    const faults = await this.#undisturbed(
      async () => await roundFaults(this.#world.server, detail, cancelled),
    );
    for (const fault of faults.found) {
      this.#faults.push(`round ${this.#rounds}: ${fault}`);
      this.#options.say(fault);
    }
    this.#attempts += faults.attempts;
    this.#lost += faults.lost;
    const { server, agents, postmaster } = this.#killed;
    this.#options.say(
      `round ${this.#rounds}: ${faults.attempts} attempts, ${faults.lost} of them lost; killed so far: server ${server}, agents ${agents}, postmaster ${postmaster}; faults ${this.#faults.length + this.#observer.faults.size}`,
    );
  }

  async #cancelOnceItBuilds(id: string): Promise<RequestDetail> {
    await insist(
      `${SLOW} to be built`,
      async () => {
        const { jobs } = await this.#detail(id);
        return jobs.find(({ kind, state }) => kind === 'package' && state === 'leased');
      },
      ROUND_MS,
    );
    await sleep(this.#random() * REPORT_CANCELLED_AFTER_MS);
    await insist(
      'the cancellation',
      async () => {
        const { status } = await this.#world.server.call('POST', `/api/requests/${id}/cancel`, {});
        return status === 200 || status === 409 ? true : undefined;
      },
      ROUND_MS,
    );
    return await this.#ended(id);
  }

  /** Nothing is left to be built, all of it is published, and everything that was said is still so. */
  async #conclude(): Promise<void> {
    const id = await this.#request({ atoms: GOOD.map(atomOf), publish: 'testing' });
    const published = await this.#ended(id);
    this.#faults.push(...(await finalFaults(this.#world.server, published)));
    await this.#observer.lookAtAll();
  }

  /** Asks for something, while nobody is killed: an answer that is lost would leave a request that nobody knows of. */
  async #request(body: Readonly<Record<string, unknown>>): Promise<string> {
    return await this.#undisturbed(async () => {
      const wanted = { profile: PROFILE, ...body };
      const answer = await this.#world.server.call('POST', '/api/requests', wanted);
      if (answer.status !== 201) {
        throw new Error(`a request was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
      }
      const { id } = requestViewSchema.parse(answer.body);
      this.#observer.watch(id);
      return id;
    });
  }

  async #ended(id: string): Promise<RequestDetail> {
    return await insist(
      `the end of ${id}`,
      async () => {
        const detail = await this.#detail(id);
        return detail.finishedAt === null ? undefined : detail;
      },
      ROUND_MS,
    );
  }

  async #detail(id: string): Promise<RequestDetail> {
    const { status, body } = await this.#world.server.call('GET', `/api/requests/${id}`);
    if (status >= 500) {
      throw new TypeError(`the server answered ${status}`);
    }
    return requestDetailSchema.parse(body);
  }

  /** One after the other: these pieces of work, and the kills. */
  async #undisturbed<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#asking.then(work);
    this.#asking = mine.catch(() => undefined);
    return await mine;
  }

  async #killAll(): Promise<void> {
    const { kills, postmasterKills, killEveryMs } = this.#options;
    const every = Math.floor(kills / (postmasterKills + 1)) || 1;
    for (let kill = 1; kill <= kills; kill += 1) {
      await sleep(2 * killEveryMs * this.#random());
      await this.#undisturbed(async () => await this.#killOne());
      if (kill % every === 0 && this.#killed.postmaster < postmasterKills) {
        await this.#undisturbed(async () => await this.#killPostmaster());
      }
    }
  }

  async #killOne(): Promise<void> {
    const { server, agents } = this.#world;
    const turn = this.#killed.server + this.#killed.agents;
    const isServer = turn % SERVER_EVERY === 0;
    const target = isServer ? undefined : agents[Math.floor(this.#random() * agents.length)];
    const pauseMs = 800 * this.#random();
    if (target === undefined) {
      this.#killed.server += 1;
      await server.program.kill();
      await sleep(pauseMs);
      await server.start(LONGEST_START_MS);
      return;
    }
    this.#killed.agents += 1;
    await this.#world.killAgent(target, this.#random() < 0.5);
    await sleep(pauseMs);
    target.program.start();
  }

  async #killPostmaster(): Promise<void> {
    this.#killed.postmaster += 1;
    await this.#world.postgresql?.kill();
    await sleep(1500 * this.#random());
    await this.#world.postgresql?.start();
    await insist(
      'the server to be ready',
      async () => {
        const response = await fetch(`${this.#world.server.url}/readyz`);
        await response.arrayBuffer();
        return response.ok ? true : undefined;
      },
      ROUND_MS,
    );
  }
}
