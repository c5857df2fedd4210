/** Who waits for a job, and what it is told. */
interface Waiter<T> {
  readonly agent: string;
  readonly settle: (claim: T | undefined) => void;
  readonly fail: (error: unknown) => void;
  isSettled: boolean;
}

/** Takes a job for the first of these agents that can have one, and says which. */
export type ClaimFirst<T> = (
  agents: readonly string[],
) => Promise<{ readonly claim: T; readonly place: number } | undefined>;

/**
 * Agents that wait for jobs, served in the order in which they came. Nobody polls: `wake` is called when jobs have
 * become ready, and the first who can take one gets it. Who comes is asked alone: that changes nothing for the
 * others, and with hundreds who wait somebody comes many times a second.
 */
export class Queue<T> {
  readonly #claim: ClaimFirst<T>;
  /** Takes back what was claimed for somebody who is gone. */
  readonly #giveBack: (claim: T) => Promise<void>;
  /** In the order in which they came. */
  readonly #waiters = new Set<Waiter<T>>();
  /** Those for whom there may be something that they have not been offered. */
  #due: Set<Waiter<T>> = new Set();
  #pass: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: {
    readonly claim: ClaimFirst<T>;
    readonly giveBack: (claim: T) => Promise<void>;
  }) {
    this.#claim = options.claim;
    this.#giveBack = options.giveBack;
  }

  /** Resolves with the agent's next job, or undefined after `waitMs`, when the signal aborts, or when the queue stops. */
  async next(agent: string, waitMs: number, signal: AbortSignal): Promise<T | undefined> {
    if (this.#isStopped || signal.aborted) {
      return undefined;
    }
    let timer: NodeJS.Timeout | undefined;
    let onAbort: (() => void) | undefined;
    try {
      return await new Promise<T | undefined>((resolve, reject) => {
        const waiter = this.#join(agent, resolve, reject);
        onAbort = () => {
          waiter.settle(undefined);
        };
        signal.addEventListener('abort', onAbort, { once: true });
        const giveUp = (): void => {
          if (waitMs <= 0) {
            waiter.settle(undefined);
          } else if (!waiter.isSettled) {
            timer = setTimeout(() => {
              waiter.settle(undefined);
            }, waitMs);
          }
        };
        this.#served().then(giveUp, waiter.fail);
      });
    } finally {
      clearTimeout(timer);
      if (onAbort !== undefined) {
        signal.removeEventListener('abort', onAbort);
      }
    }
  }

  /** Offers jobs to all who wait, soon. */
  wake(): void {
    if (this.#due.size < this.#waiters.size) {
      this.#due = new Set(this.#waiters);
    }
    this.#pass ??= this.#serve();
  }

  /** Resolves when everybody who is to be asked now has been. */
  async #served(): Promise<void> {
    this.#pass ??= this.#serve();
    await this.#pass;
  }

  /** Agents that wait at this moment. */
  waiting(): ReadonlySet<string> {
    return new Set([...this.#waiters].map(({ agent }) => agent));
  }

  /** Sends everybody away with nothing. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const waiter of this.#waiters) {
      waiter.settle(undefined);
    }
    await this.#pass;
  }

  #join(
    agent: string,
    resolve: (claim: T | undefined) => void,
    reject: (error: unknown) => void,
  ): Waiter<T> {
    const leave = (): void => {
      waiter.isSettled = true;
      this.#waiters.delete(waiter);
      this.#due.delete(waiter);
    };
    const waiter: Waiter<T> = {
      agent,
      isSettled: false,
      settle: (claim) => {
        leave();
        resolve(claim);
      },
      fail: (error) => {
        leave();
        reject(error);
      },
    };
    this.#waiters.add(waiter);
    this.#due.add(waiter);
    return waiter;
  }

  async #serve(): Promise<void> {
    await Promise.resolve();
    for (;;) {
      const due = this.#due;
      this.#due = new Set();
      // Mostly it is the one who has just come.
      const waiters =
        due.size === 1 ? [...due] : [...this.#waiters].filter((waiter) => due.has(waiter));
      if (waiters.length === 0) {
        this.#pass = undefined;
        return;
      }
      await this.#offer(waiters);
    }
  }

  /** Gives one of them a job; after that there may be more for all of them. */
  async #offer(waiters: readonly Waiter<T>[]): Promise<void> {
    try {
      const found = await this.#claim(waiters.map(({ agent }) => agent));
      if (found === undefined) {
        return;
      }
      for (const waiter of waiters.filter(({ isSettled }) => !isSettled)) {
        this.#due.add(waiter);
      }
      const winner = waiters[found.place];
      if (winner === undefined || winner.isSettled) {
        await this.#giveBack(found.claim);
      } else {
        winner.settle(found.claim);
      }
    } catch (error) {
      for (const waiter of waiters) {
        waiter.fail(error);
      }
    }
  }
}
