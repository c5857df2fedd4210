import type { Output } from './output.ts';
import { type Bar, showBar } from './progress.ts';

/** How far work of several stages is. */
export interface StageProgress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  /** What is left of the stage; null when there is no telling. */
  readonly remainingMs?: number | null;
}

/** One bar after another, one for each stage; what is told of them is shown in the last. */
export class StageBars {
  readonly #output: Output;
  readonly #stages: Readonly<Record<string, { readonly label: string; readonly unit: Unit }>>;
  #stage: string | undefined;
  #bar: Bar | undefined;

  constructor(
    output: Output,
    stages: Readonly<Record<string, { readonly label: string; readonly unit: Unit }>>,
  ) {
    this.#output = output;
    this.#stages = stages;
  }

  show({ stage, done, total, remainingMs }: StageProgress): void {
    if (stage !== this.#stage) {
      this.stop();
      this.#stage = stage;
      const { label, unit } = this.#stages[stage] ?? { label: stage, unit: 'packages' };
      this.#bar = showBar(this.#output, { label, total, unit });
    }
    this.#bar?.advance(done, remainingMs);
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

type Unit = 'bytes' | 'packages' | 'rows';
