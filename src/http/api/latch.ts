/** Remembers that something happened until somebody who waits for it has noticed. */
export class Latch {
  #isSet = false;
  #wake: (() => void) | undefined;

  set(): void {
    this.#isSet = true;
    this.#wake?.();
  }

  /** Resolves when the latch is set, the time is over, or the signal aborts, and resets it. Whether it was set. */
  async wait(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#isSet && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => {
          this.#wake?.();
        }, timeoutMs);
        this.#wake = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', onAbort);
          this.#wake = undefined;
          resolve();
        };
        const onAbort = (): void => {
          this.#wake?.();
        };
        signal.addEventListener('abort', onAbort, { once: true });
      });
    }
    const wasSet = this.#isSet;
    this.#isSet = false;
    return wasSet;
  }
}
