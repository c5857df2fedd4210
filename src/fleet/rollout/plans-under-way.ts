import type { PlanUnderWay } from './rollout.ts';

/** Says how far a plan is. */
export type Go = (doing: PlanUnderWay['doing'], nodes: number) => void;

/** The plans that are being made. */
export class PlansUnderWay {
  readonly #all = new Map<symbol, PlanUnderWay>();

  /** Longest first. */
  all(): readonly PlanUnderWay[] {
    return [...this.#all.values()];
  }

  async during<T>(
    asked: Omit<PlanUnderWay, 'nodes' | 'doing'>,
    make: (go: Go) => Promise<T>,
  ): Promise<T> {
    const key = Symbol('plan');
    this.#all.set(key, { ...asked, nodes: 0, doing: 'reading' });
    try {
      return await make((doing, nodes) => {
        this.#all.set(key, { ...asked, nodes, doing });
      });
    } finally {
      this.#all.delete(key);
    }
  }
}
