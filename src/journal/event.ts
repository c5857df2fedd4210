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

/** Which events are asked for; every part narrows it down. */
export interface EventQuery {
  readonly limit: number;
  readonly subject?: string | undefined;
  readonly kind?: string | undefined;
  readonly actor?: string | undefined;
  /** Only those with a smaller number. */
  readonly before?: number | undefined;
  /** Only those with a larger number. */
  readonly after?: number | undefined;
}
