/** Collects what was compared and what was wrong. */
export interface Findings {
  /** Counts one comparison; a false one becomes a fault. */
  readonly expect: (subject: string, holds: boolean, code: string, sentence: string) => void;
  readonly count: (checks: number) => void;
  readonly fault: (subject: string, error: unknown) => void;
}
