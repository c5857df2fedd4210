/** A job in the hands of an agent. */
export interface Leased {
  readonly jobId: string;
  readonly attempt: number;
  /** Its CPV. */
  readonly name: string;
}

export interface Key {
  readonly jobId: string;
  readonly attempt: number;
  readonly agent: string;
}

export interface Report {
  readonly outcome: 'succeeded' | 'failed';
  /** Whether the package is handed in with it. */
  readonly hasPackage: boolean;
}

/**
 * `agreed`: the same was said before. `stale`: the job is not this agent's any more. `refused`: there is no package, so
 * it cannot have succeeded.
 */
export type ReportAnswer = 'accepted' | 'agreed' | 'stale' | 'refused';

type Now<T> = T | Promise<T>;

/** What simulated agents see of a farm. */
export interface FarmPort {
  /** Moves the clock of the farm; leases that have expired by then are ended. */
  setNow(now: number): Now<void>;
  lease(agent: string): Now<Leased | undefined>;
  heartbeat(key: Key): Now<'go-on' | 'stale'>;
  report(key: Key, report: Report): Now<ReportAnswer>;
  /** Jobs that are not over. */
  openJobs(): Now<number>;
}
