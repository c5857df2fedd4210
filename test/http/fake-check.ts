import type { CheckOptions } from '../../src/repository/check/check-report.ts';
import type { DamagedPackage } from '../../src/repository/check/file-check-store.ts';
import type { CheckState, RepositoryCheck } from '../../src/repository/check/repository-check.ts';
import { AppError } from '../../src/support/errors.ts';

/** A check as its interface tells it; the test moves it on. */
export class FakeCheck implements RepositoryCheck {
  readonly damagedByProfile = new Map<string, DamagedPackage[]>();
  readonly #listeners = new Set<() => void>();
  #state: CheckState | undefined;

  async begin(options: CheckOptions, actor: string): Promise<CheckState> {
    if (this.#state?.state === 'running') {
      throw new AppError('check-running', 'A check of the repository is under way already.');
    }
    const begun: CheckState = {
      state: 'running',
      options,
      actor,
      startedAt: 1000,
      finishedAt: null,
      progress: null,
      remainingMs: null,
      findings: 0,
      report: null,
      error: null,
    };
    this.#state = begun;
    return begun;
  }

  async cancel(): Promise<CheckState> {
    if (this.#state?.state !== 'running') {
      throw new AppError('check-not-running', 'No check of the repository is under way.');
    }
    return this.move({ state: 'cancelled', finishedAt: 2000 });
  }

  move(values: Partial<CheckState>): CheckState {
    if (this.#state === undefined) {
      throw new Error('there is no check');
    }
    this.#state = { ...this.#state, ...values };
    for (const listener of this.#listeners) {
      listener();
    }
    return this.#state;
  }

  state(): CheckState | undefined {
    return this.#state;
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  async damaged(profile: string): Promise<DamagedPackage[]> {
    return this.damagedByProfile.get(profile) ?? [];
  }
}
