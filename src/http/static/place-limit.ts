import { AppError } from '../../support/errors.ts';

/** Gives a place back; further calls do nothing. */
export type Release = () => void;

interface Waiting {
  readonly client: string;
  readonly go: (release: Release) => void;
}

/**
 * At most `limit` holders at once, and at most `perClient` of them for one client. Those beyond wait in the order
 * they came, past those whose client has all that it may have.
 */
export class PlaceLimit {
  readonly #limit: number;
  readonly #perClient: number;
  readonly #held = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();
  #taken = 0;

  constructor(limit: number, perClient = limit) {
    this.#limit = limit;
    this.#perClient = perClient;
  }

  /** How many places are held. */
  get taken(): number {
    return this.#taken;
  }

  /** A place when there is one now. */
  tryAcquire(client: string): Release | undefined {
    return this.#isFreeFor(client) ? this.#take(client) : undefined;
  }

  /** Waits for a place. Throws `request-abandoned` when the signal aborts first. */
  async acquire(client: string, signal: AbortSignal): Promise<Release> {
    return this.tryAcquire(client) ?? (await this.#turn(client, signal));
  }

  #isFreeFor(client: string): boolean {
    return this.#taken < this.#limit && (this.#held.get(client) ?? 0) < this.#perClient;
  }

  #take(client: string): Release {
    this.#taken += 1;
    this.#held.set(client, (this.#held.get(client) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (isHeld) {
        isHeld = false;
        this.#giveBack(client);
      }
    };
  }

  #giveBack(client: string): void {
    const left = (this.#held.get(client) ?? 1) - 1;
    this.#taken -= 1;
    if (left === 0) {
      this.#held.delete(client);
    } else {
      this.#held.set(client, left);
    }
    for (const waiting of this.#waiting) {
      if (this.#isFreeFor(waiting.client)) {
        this.#waiting.delete(waiting);
        waiting.go(this.#take(waiting.client));
        return;
      }
    }
  }

  async #turn(client: string, signal: AbortSignal): Promise<Release> {
    return await new Promise<Release>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.delete(waiting);
        reject(new AppError('request-abandoned', 'The client went away before its turn came.'));
      };
      const waiting: Waiting = {
        client,
        go: (release) => {
          signal.removeEventListener('abort', onAbort);
          resolve(release);
        },
      };
      if (signal.aborted) {
        onAbort();
        return;
      }
      this.#waiting.add(waiting);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
