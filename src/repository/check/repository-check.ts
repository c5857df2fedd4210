import { AppError, isAppError, messageOf } from '../../support/errors.ts';
import type { Service } from '../../support/lifecycle.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { openTrustedKeys } from '../trusted-keys.ts';
import {
  type CheckOptions,
  type CheckProgress,
  type CheckReport,
  Findings,
} from './check-report.ts';
import { checkRepository } from './check-repository.ts';
import { type DamagedPackage, damagedPackages } from './file-check-store.ts';

/** A check that is under way, or the last one. */
export interface CheckState {
  readonly state: 'running' | 'done' | 'cancelled' | 'failed';
  readonly options: CheckOptions;
  /** Who started it. */
  readonly actor: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly finishedAt: number | null;
  readonly progress: CheckProgress | null;
  /** What is left of this stage, at the pace so far; null when there is no telling. */
  readonly remainingMs: number | null;
  readonly findings: number;
  /** When it is done. */
  readonly report: CheckReport | null;
  /** Why it failed. */
  readonly error: string | null;
}

/** What the other rooms may ask of the check. */
export interface RepositoryCheck {
  /** Begins one in the background. Throws `check-running`. */
  begin(options: CheckOptions, actor: string): Promise<CheckState>;
  /** Ends it at the next piece it reads. Throws `check-not-running`. */
  cancel(actor: string): Promise<CheckState>;
  /** Undefined when there was none since the server started. */
  state(): CheckState | undefined;
  /** Calls the listener at each step from now on. The returned function ends it. */
  listen(listener: () => void): () => void;
  /** Packages of a profile that cannot be had until they are restored. */
  damaged(profile: string): Promise<DamagedPackage[]>;
}

const JOURNAL_FINDINGS = 200;
const SUBJECT = 'repository';

/** Runs checks of a repository, one at a time. */
export class CheckTask implements RepositoryCheck, Service {
  readonly name = 'repository check';
  readonly #context: RepositoryContext;
  readonly #listeners = new Set<() => void>();
  #state: CheckState | undefined;
  #stageStartedAt = 0;
  #cancel: AbortController | undefined;
  #running: Promise<void> | undefined;

  constructor(context: RepositoryContext) {
    this.#context = context;
  }

  /** A check is begun by `begin`. */
  async start(): Promise<void> {
    await this.#running;
  }

  async stop(): Promise<void> {
    this.#cancel?.abort();
    await this.#running;
  }

  async begin(options: CheckOptions, actor: string): Promise<CheckState> {
    if (this.#state?.state === 'running') {
      throw new AppError('check-running', 'A check of the repository is under way already.');
    }
    const begun: CheckState = {
      state: 'running',
      options,
      actor,
      startedAt: this.#context.clock.now(),
      finishedAt: null,
      progress: null,
      remainingMs: null,
      findings: 0,
      report: null,
      error: null,
    };
    this.#state = begun;
    this.#cancel = new AbortController();
    this.#running = this.#run(begun, this.#cancel.signal);
    return begun;
  }

  async cancel(actor: string): Promise<CheckState> {
    if (this.#state?.state !== 'running') {
      throw new AppError('check-not-running', 'No check of the repository is under way.');
    }
    this.#cancel?.abort();
    await this.#running;
    this.#context.log.info({ actor }, 'the check of the repository was cancelled');
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

  async damaged(profile: string): Promise<DamagedPackage[]> {
    return await damagedPackages(this.#context.database, profile);
  }

  /** Never rejects. */
  async #run(begun: CheckState, signal: AbortSignal): Promise<void> {
    const findings = new Findings();
    try {
      await this.#tell('repository-check-started', begun.actor, { ...begun.options });
      const report = await checkRepository({
        context: this.#context,
        verifier: await openTrustedKeys(this.#context.layout),
        options: begun.options,
        actor: begun.actor,
        signal,
        findings,
        onProgress: (progress) => {
          this.#step(progress, findings.count);
        },
      });
      await this.#finish({ state: 'done', report, error: null, findings: findings.count });
    } catch (error) {
      const state = isAppError(error, 'check-cancelled') ? 'cancelled' : 'failed';
      if (state === 'failed') {
        this.#context.log.error({ error: messageOf(error) }, 'the check of the repository failed');
      }
      const sentence = state === 'failed' ? messageOf(error) : null;
      await this.#finish({ state, report: null, error: sentence, findings: findings.count });
    }
  }

  #step(progress: CheckProgress, findings: number): void {
    const now = this.#context.clock.now();
    if (progress.stage !== this.#state?.progress?.stage) {
      this.#stageStartedAt = now;
    }
    const { done, total } = progress;
    const remainingMs =
      done > 0 ? Math.round(((now - this.#stageStartedAt) * (total - done)) / done) : null;
    this.#change({ progress, remainingMs, findings });
  }

  async #finish(end: Pick<CheckState, 'state' | 'report' | 'error' | 'findings'>): Promise<void> {
    const finishedAt = this.#context.clock.now();
    try {
      const { report, ...rest } = end;
      const listed = report?.findings.slice(0, JOURNAL_FINDINGS);
      await this.#tell('repository-checked', this.#state?.actor ?? 'server', {
        ...rest,
        ...(report === null ? {} : { report: { ...report, findings: listed } }),
      });
    } catch (error) {
      this.#context.log.error({ error: messageOf(error) }, 'a check is not in the journal');
    }
    this.#change({ ...end, finishedAt, remainingMs: null });
  }

  async #tell(kind: string, actor: string, data: Record<string, unknown>): Promise<void> {
    await this.#context.journal.record({ kind, subject: SUBJECT, actor, data });
  }

  #change(values: Partial<CheckState>): void {
    if (this.#state !== undefined) {
      this.#state = { ...this.#state, ...values };
    }
    for (const listener of this.#listeners) {
      listener();
    }
  }
}
