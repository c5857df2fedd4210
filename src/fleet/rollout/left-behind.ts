import type { Blocked } from './choose-units.ts';
import type { UnitProgress } from './unit-journal.ts';

/** Units whose farm is weakened. Nobody waits for those that a held node keeps, and for others only so long. */
export class LeftBehind {
  readonly #patienceMs: number;
  /** Epoch milliseconds. */
  readonly #since = new Map<UnitProgress, number>();

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  /** Of all that are weakened now, those for which nobody waits any more. */
  of(left: ReadonlyMap<UnitProgress, Blocked>, now: number): ReadonlyMap<UnitProgress, Blocked> {
    for (const unit of this.#since.keys()) {
      if (!left.has(unit)) {
        this.#since.delete(unit);
      }
    }
    const kept = new Map<UnitProgress, Blocked>();
    for (const [unit, why] of left) {
      const since = this.#since.get(unit) ?? now;
      this.#since.set(unit, since);
      if (why.kind === 'held' || why.kind === 'gone' || now - since >= this.#patienceMs) {
        kept.set(unit, why);
      }
    }
    return kept;
  }
}
