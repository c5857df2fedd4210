import type { Clock } from '../../support/clock.ts';
import { AppError, messageOf } from '../../support/errors.ts';
import { newId } from '../../support/ids.ts';
import type { Service } from '../../support/lifecycle.ts';
import type { Log } from '../../support/log.ts';
import type { Collection, CollectionRequest, Retention } from './retention.ts';

/** A collection that somebody has begun, under way or the last one. */
export interface CollectionState {
  readonly id: string;
  readonly state: 'running' | 'done' | 'failed';
  /** Null for all profiles. */
  readonly profile: string | null;
  readonly dryRun: boolean;
  readonly actor: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly finishedAt: number | null;
  /** When it is done. */
  readonly collection: Collection | null;
  /** Why it failed. */
  readonly error: string | null;
}

/** What the other rooms may ask of collections in the background. */
export interface RepositoryCollection {
  /** Begins one in the background; it waits for one that housekeeping does. Throws `collection-running`. */
  begin(request: Omit<CollectionRequest, 'signal'>): CollectionState;
  /** Undefined when none was begun since the server started. */
  state(): CollectionState | undefined;
  /** Calls the listener when one begins and when it ends. The returned function ends it. */
  listen(listener: () => void): () => void;
}

/** Runs collections that are not waited for, one at a time. */
export class CollectionTask implements RepositoryCollection, Service {
  readonly name = 'collection';
  readonly #retention: Pick<Retention, 'collect'>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners = new Set<() => void>();
  readonly #stopping = new AbortController();
  #state: CollectionState | undefined;
  #running: Promise<void> | undefined;

  constructor(
    retention: Pick<Retention, 'collect'>,
    { clock, log }: { readonly clock: Clock; readonly log: Log },
  ) {
    this.#retention = retention;
    this.#clock = clock;
    this.#log = log;
  }

  /** A collection is begun by `begin`. */
  async start(): Promise<void> {
    await this.#running;
  }

  /** One that is under way ends after what it is removing now; the next one removes the rest. */
  async stop(): Promise<void> {
    this.#stopping.abort(new AppError('collection-stopped', 'The server is being stopped.'));
    await this.#running;
  }

  begin(request: Omit<CollectionRequest, 'signal'>): CollectionState {
    if (this.#state?.state === 'running') {
      throw new AppError('collection-running', 'A collection is under way already.');
    }
    const { profile = null, dryRun, actor } = request;
    const begun: CollectionState = {
      id: newId('collection'),
      state: 'running',
      profile,
      dryRun,
      actor,
      startedAt: this.#clock.now(),
      finishedAt: null,
      collection: null,
      error: null,
    };
    this.#change(begun);
    this.#running = this.#run(begun, request);
    return begun;
  }

  state(): CollectionState | undefined {
    return this.#state;
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Never rejects. */
  async #run(begun: CollectionState, request: CollectionRequest): Promise<void> {
    try {
      const { signal } = this.#stopping;
      const collection = await this.#retention.collect({ ...request, signal });
      this.#change({ ...begun, state: 'done', finishedAt: this.#clock.now(), collection });
    } catch (error) {
      const sentence = messageOf(error);
      this.#log.error({ error: sentence }, 'a collection failed');
      const finishedAt = this.#clock.now();
      this.#change({ ...begun, state: 'failed', finishedAt, error: sentence });
    }
  }

  #change(state: CollectionState): void {
    this.#state = state;
    for (const listener of this.#listeners) {
      listener();
    }
  }
}
