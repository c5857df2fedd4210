import type {
  BalancerWishRow,
  HeldNodeRow,
  LiveBackendRow,
  RolloutRow,
  RolloutStageRow,
  RolloutStepRow,
  RolloutUnitRow,
} from '../../database/tables.ts';
import type { NewEvent } from '../../journal/event.ts';
import { AppError, isPassing, messageOf } from '../../support/errors.ts';
import { hold, putLive, putWishes } from './fleet-store.ts';
import type { Deed, EngineContext } from './rollout-context.ts';
import { changeRollout, changeStage, changeUnit, runnerOf } from './rollout-store.ts';
import { changeStep, insertSteps } from './step-store.ts';

/** Entries of one transaction: some 10 ms of statements, so that others get their turn. */
const ENTRIES_AT_ONCE = 64;
const AGAIN_MS = 1000;

/** What is written down together. */
export interface Entry {
  /** Begins something: it is refused unless the rollout is running at that moment. */
  readonly begins?: boolean;
  readonly ended?: readonly {
    readonly row: RolloutStepRow;
    readonly change: Partial<Pick<RolloutStepRow, 'ended_at' | 'note' | 'outcome' | 'output'>>;
  }[];
  readonly intents?: readonly RolloutStepRow[];
  readonly unit?: { readonly position: number; readonly change: Partial<RolloutUnitRow> };
  readonly stage?: { readonly position: number; readonly change: Partial<RolloutStageRow> };
  readonly wishes?: readonly BalancerWishRow[];
  readonly live?: LiveBackendRow | undefined;
  readonly held?: readonly HeldNodeRow[];
  readonly events?: readonly NewEvent[];
  readonly rollout?: Partial<RolloutRow>;
  /** The rollout is paused, for this reason, if it is running. */
  readonly pause?: string | undefined;
  readonly also?: (deed: Deed) => Promise<void>;
}

interface Waiting {
  readonly entry: Entry;
  readonly done: (isWritten: boolean) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * What one rollout writes down before and after it acts. Entries that come while a transaction runs go into the next one
 * together, so that hundreds of units cost few commits. A promise is kept when its entry is on disk.
 *
 * Throws `rollout-replaced` when another server carries the rollout out by now. A database that is away is waited for.
 */
export class Ledger {
  readonly #context: Pick<EngineContext, 'transact' | 'time' | 'log'>;
  readonly #rollout: string;
  readonly #runner: string;
  readonly #signal: AbortSignal;
  readonly #onPause: () => void;
  #waiting: Waiting[] = [];
  #isWriting = false;

  constructor(
    context: Pick<EngineContext, 'transact' | 'time' | 'log'>,
    of: { readonly rollout: string; readonly runner: string; readonly signal: AbortSignal },
    onPause: () => void,
  ) {
    this.#context = context;
    this.#rollout = of.rollout;
    this.#runner = of.runner;
    this.#signal = of.signal;
    this.#onPause = onPause;
  }

  /** True when it is on disk; false when it begins something and the rollout is not running. */
  async write(entry: Entry): Promise<boolean> {
    return await new Promise((done, failed) => {
      this.#waiting.push({ entry, done, failed });
      if (!this.#isWriting) {
        this.#isWriting = true;
        void this.#writeAll();
      }
    });
  }

  async #writeAll(): Promise<void> {
    // Whoever writes in the same turn is in the first transaction already.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const some = this.#waiting.splice(0, ENTRIES_AT_ONCE);
      try {
        const written = await this.#insist(some.map(({ entry }) => entry));
        some.forEach(({ done }, index) => {
          done(written[index] ?? false);
        });
      } catch (error) {
        for (const { failed } of some) {
          failed(error);
        }
      }
    }
    this.#isWriting = false;
  }

  async #insist(entries: readonly Entry[]): Promise<readonly boolean[]> {
    for (;;) {
      this.#signal.throwIfAborted();
      try {
        return await this.#commit(entries);
      } catch (error) {
        if (!isPassing(error)) {
          throw error;
        }
        this.#context.log.warn(
          { rollout: this.#rollout, error: messageOf(error) },
          'a rollout waits for the database',
        );
        await this.#context.time.sleep(AGAIN_MS, this.#signal);
      }
    }
  }

  async #commit(entries: readonly Entry[]): Promise<readonly boolean[]> {
    let isPaused = false;
    const written = await this.#context.transact(async (deed) => {
      const row = await runnerOf(deed.queries, this.#rollout);
      if (row?.runner !== this.#runner) {
        throw new AppError(
          'rollout-replaced',
          `The rollout ${this.#rollout.slice(0, 12)} is carried out by another server.`,
        );
      }
      const taken = entries.filter((entry) => entry.begins !== true || row.state === 'running');
      await writeRows(deed, this.#rollout, taken);
      const sentence = taken.find(({ pause }) => pause !== undefined)?.pause;
      if (sentence !== undefined && row.state === 'running') {
        isPaused = true;
        await pauseRollout(deed, this.#rollout, sentence, 'server');
      }
      return entries.map((entry) => taken.includes(entry));
    });
    if (isPaused) {
      this.#onPause();
    }
    return written;
  }
}

async function writeRows(deed: Deed, rollout: string, entries: readonly Entry[]): Promise<void> {
  const { queries } = deed;
  await insertSteps(
    queries,
    entries.flatMap(({ intents }) => intents ?? []),
  );
  await putWishes(queries, lastOfEach(entries.flatMap(({ wishes }) => wishes ?? [])));
  await hold(queries, firstOfEach(entries.flatMap(({ held }) => held ?? [])));
  for (const { ended = [], unit, stage, live, rollout: change, also } of entries) {
    for (const step of ended) {
      await changeStep(queries, step.row, step.change);
    }
    if (unit !== undefined) {
      await changeUnit(queries, rollout, unit.position, unit.change);
    }
    if (stage !== undefined) {
      await changeStage(queries, rollout, stage.position, stage.change);
    }
    if (live !== undefined) {
      await putLive(queries, live);
    }
    if (change !== undefined) {
      await changeRollout(queries, rollout, change);
    }
    await also?.(deed);
  }
  await deed.tell(...entries.flatMap(({ events }) => events ?? []));
}

/** Part of whatever made it necessary. The rollout is running. */
export async function pauseRollout(
  { queries, tell }: Deed,
  rollout: string,
  because: string,
  actor: string,
): Promise<void> {
  await changeRollout(queries, rollout, { state: 'paused', because });
  await tell({
    kind: 'rollout-paused',
    subject: `rollout:${rollout}`,
    actor,
    data: { rollout, because },
  });
}

function lastOfEach(rows: readonly BalancerWishRow[]): BalancerWishRow[] {
  return [...new Map(rows.map((row) => [`${row.site} ${row.server}`, row])).values()];
}

function firstOfEach(rows: readonly HeldNodeRow[]): HeldNodeRow[] {
  return [...new Map(rows.toReversed().map((row) => [row.node, row])).values()];
}
