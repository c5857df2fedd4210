/** One thing that happened. `subject` is what it happened to: `request:<id>`, `channel:<profile>/<channel>` ... */
export interface Event {
  readonly seq: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly kind: string;
  readonly subject: string;
  /** Who did it: `token:<name>`, `agent:<name>` or `server`. */
  readonly actor: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export type NewEvent = Omit<Event, 'seq' | 'at'>;
