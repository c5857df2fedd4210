import type { Queries } from '../database/database.ts';
import type { AgentRow, JobRow } from '../database/tables.ts';
import { toAgent } from './agent-store.ts';
import { agentsWithGiants, headOfLane, openLanes } from './lane-store.ts';
import { type Asker, firstInTurn, isOpenTo, type Lane, type Turn } from './schedule-policy.ts';

/** A ready job that was chosen for an agent. */
export interface Choice {
  readonly job: Turn & Pick<JobRow, 'attempt'>;
  readonly lane: Lane;
}

/** An agent that asks, and the jobs that it leaves to others. */
export interface Asked {
  readonly agent: AgentRow;
  readonly passedOver: readonly string[];
}

const GIB = 1024 ** 3;

/**
 * One look at the queue: the lanes that have something to do, and the first job of each that was asked for. What was
 * taken from a lane has to be told, or it is offered again.
 */
export class QueueView {
  readonly #queries: Queries;
  readonly #now: number;
  readonly #lanes: readonly Lane[];
  readonly #giantsOn: Set<string>;
  readonly #heads = new Map<string, Promise<Choice['job'] | undefined>>();
  /** Kinds of agents for which there was nothing. */
  readonly #inVain = new Set<string>();

  private constructor(
    queries: Queries,
    now: number,
    found: { readonly lanes: readonly Lane[]; readonly giantsOn: Set<string> },
  ) {
    this.#queries = queries;
    this.#now = now;
    this.#lanes = found.lanes;
    this.#giantsOn = found.giantsOn;
  }

  static async open(queries: Queries, now: number): Promise<QueueView> {
    return new QueueView(queries, now, {
      lanes: await openLanes(queries),
      giantsOn: await agentsWithGiants(queries),
    });
  }

  /** The job that this agent builds next; undefined when there is none that fits. */
  async choose(asked: Asked): Promise<Choice | undefined> {
    const asker = this.#asker(asked.agent);
    const kind = kindOf(asker, asked.passedOver);
    if (this.#inVain.has(kind)) {
      return undefined;
    }
    const choices: (Choice & Turn)[] = [];
    for (const lane of this.#lanes) {
      const job = isOpenTo(lane, asker) ? await this.#head(lane, asked.passedOver) : undefined;
      if (job !== undefined) {
        choices.push({ ...job, job, lane });
      }
    }
    const choice = firstInTurn(choices);
    if (choice === undefined) {
      this.#inVain.add(kind);
    }
    return choice;
  }

  /** Forgets what it knows of a lane: somebody has taken a job from it. */
  forget(lane: Lane): void {
    for (const key of this.#heads.keys()) {
      if (key.startsWith(`${lane.id} `)) {
        this.#heads.delete(key);
      }
    }
  }

  /** Looks again at which agents build giants. */
  async refreshGiants(): Promise<void> {
    const found = await agentsWithGiants(this.#queries);
    this.#giantsOn.clear();
    for (const agent of found) {
      this.#giantsOn.add(agent);
    }
  }

  hasGiant(agent: string): boolean {
    return this.#giantsOn.has(agent);
  }

  #asker(row: AgentRow): Asker {
    return { ...toAgent(row, []), hasGiant: this.#giantsOn.has(row.name) };
  }

  async #head(lane: Lane, passedOver: readonly string[]): Promise<Choice['job'] | undefined> {
    const key = `${lane.id} ${passedOver.join(' ')}`;
    const known =
      this.#heads.get(key) ?? headOfLane(this.#queries, lane.id, { now: this.#now, passedOver });
    this.#heads.set(key, known);
    return await known;
  }
}

/** Agents of the same kind can do the same jobs. */
function kindOf(asker: Asker, passedOver: readonly string[]): string {
  const { profiles, executors, chost, compiler, memoryBytes, diskFreeBytes, labels } = asker;
  const disk = diskFreeBytes === null ? null : Math.floor(diskFreeBytes / GIB);
  return JSON.stringify([
    [profiles, executors, chost, compiler, memoryBytes, disk, labels],
    asker.hasGiant,
    passedOver,
  ]);
}
