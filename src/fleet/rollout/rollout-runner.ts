import type { Journal } from '../../journal/journal.ts';
import { messageOf } from '../../support/errors.ts';
import { newId } from '../../support/ids.ts';
import type { Service } from '../../support/lifecycle.ts';
import { takeOver } from './load-rollout.ts';
import { Monitor } from './monitor.ts';
import { Readings } from './readings.ts';
import { Reconciler } from './reconciler.ts';
import type { EngineContext } from './rollout-context.ts';
import { RolloutRun } from './rollout-run.ts';
import { ACTIVE_STATES, idsIn } from './rollout-store.ts';
import { StepBegins } from './step-begins.ts';
import { FleetIndex } from './unit-scene.ts';
import { Wake } from './wake.ts';

/** After a rollout could not go on, because of a fault that is not its own, ms. */
const AGAIN_MS = 5000;
/** Events of people after which something may go on. */
const DEEDS = /^rollout-(?:started|resumed|paused|aborting|approved|released)$|^fleet-/;

/**
 * Carries out all rollouts that are under way, on the server that leads. Where it was killed, or where another server has led
 * before, it goes on from what the rows say and from what nodes and balancers answer.
 */
export class RolloutRunner implements Service {
  readonly name = 'rollouts';
  readonly #context: EngineContext;
  readonly #journal: Pick<Journal, 'listen'>;
  readonly #runs = new Map<string, RolloutRun>();
  readonly #begins = new StepBegins();
  #stop = new AbortController();
  #working: Promise<unknown> = Promise.resolve();
  #unlisten: () => void = () => undefined;
  #wake: Wake;

  constructor(context: EngineContext, journal: Pick<Journal, 'listen'>) {
    const { drivers } = context;
    this.#context = {
      ...context,
      drivers: { ...drivers, nodes: this.#begins.watch(drivers.nodes) },
    };
    this.#journal = journal;
    this.#wake = new Wake(context.time);
  }

  async start(): Promise<void> {
    this.#stop = new AbortController();
    this.#wake = new Wake(this.#context.time);
    const readings = new Readings(this.#context.drivers.balancers, this.#context.time);
    const reconciler = new Reconciler(this.#context, readings);
    this.#unlisten = this.#journal.listen(({ kind }) => {
      if (kind === 'rollout-released') {
        reconciler.wake();
      }
      if (DEEDS.test(kind)) {
        this.#wake.now();
        for (const run of this.#runs.values()) {
          run.wake();
        }
      }
    });
    const { signal } = this.#stop;
    const looks = { readings, begins: this.#begins };
    const monitor = new Monitor(this.#context, looks, () => [...this.#runs.values()]);
    this.#working = Promise.allSettled([
      this.#work(readings, signal),
      reconciler.work(signal),
      monitor.work(signal),
    ]);
  }

  async stop(): Promise<void> {
    this.#unlisten();
    this.#stop.abort(new Error('the runner of rollouts stops'));
    this.#wake.now();
    await this.#working;
  }

  async #work(readings: Readings, signal: AbortSignal): Promise<void> {
    const { context } = { context: this.#context };
    const working = new Map<string, Promise<void>>();
    while (!signal.aborted) {
      try {
        const ids = await idsIn(context.database, ACTIVE_STATES);
        for (const id of ids.filter((one) => !working.has(one))) {
          const run = this.#carryOut(id, readings, signal).finally(() => {
            working.delete(id);
            this.#wake.now();
          });
          working.set(id, run);
        }
      } catch (error) {
        context.log.error({ error: messageOf(error) }, 'rollouts cannot be looked for');
      }
      await this.#wake.wait(context.settings.lookMs);
    }
    await Promise.allSettled(working.values());
  }

  /** Until it has ended, or a fault. A fault is waited out, and the rows tell where it was. */
  async #carryOut(id: string, readings: Readings, signal: AbortSignal): Promise<void> {
    const context = this.#context;
    try {
      const runner = newId('runner');
      const loaded = await takeOver(context, id, runner);
      const { inventory, digest } = await context.inventory();
      const fleet = new FleetIndex(inventory, digest);
      const run = new RolloutRun({ context, readings, signal, runner }, loaded, fleet);
      this.#runs.set(id, run);
      await run.run();
    } catch (error) {
      if (!signal.aborted) {
        context.log.error({ rollout: id, error: messageOf(error) }, 'a rollout is begun anew');
        await context.time.sleep(AGAIN_MS, signal);
      }
    } finally {
      this.#runs.delete(id);
    }
  }
}
