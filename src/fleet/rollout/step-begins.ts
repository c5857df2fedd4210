import type { NodeRunner, NodeStepState } from '../drivers/ports.ts';
import type { StepRun } from '../plan/moment.ts';

/** Steps that are remembered: those of some thousand units. */
const KEPT = 50_000;

interface Known {
  readonly times: number;
  readonly hasEnded: boolean;
}

/** How often steps have begun, by what their nodes say of them: one that runs although it had ended has begun again. */
export class StepBegins {
  readonly #known = new Map<string, Known>();
  #news: StepRun[] = [];

  /** The same nodes, with an eye on what they say. */
  watch(nodes: NodeRunner): NodeRunner {
    return {
      start: async (member, step) => {
        await nodes.start(member, step);
      },
      look: async (member) => await nodes.look(member),
      state: async (member, id) => {
        const said = await nodes.state(member, id);
        this.#note(member.node, id, said);
        return said;
      },
    };
  }

  /** Those that were seen to begin since this was asked last. */
  take(): readonly StepRun[] {
    const news = this.#news;
    this.#news = [];
    return news;
  }

  #note(node: string, step: string, { state }: NodeStepState): void {
    if (state === 'absent') {
      return;
    }
    const known = this.#known.get(step);
    const hasEnded = state !== 'running';
    const isBegin = known === undefined || (known.hasEnded && !hasEnded);
    const times = (known?.times ?? 0) + (isBegin ? 1 : 0);
    this.#known.set(step, { times, hasEnded });
    if (isBegin) {
      this.#news.push({ node, step, times });
      this.#forget();
    }
  }

  #forget(): void {
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= KEPT) {
        return;
      }
      this.#known.delete(oldest);
    }
  }
}
