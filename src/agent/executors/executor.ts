import type { Executor as ExecutorName } from '../../gentoo/profile.ts';
import type { LeaseMessage } from '../../protocol/agents.ts';
import type { Clock } from '../../support/clock.ts';
import type { JobLog } from '../job-log.ts';
import type { JobTraces } from '../job-traces.ts';
import type { LimitWatch } from '../limit-watch.ts';
import type { ServerConnection } from '../server-connection.ts';
import type { SharingParts } from '../sharing/share-compiling.ts';

/** Everything an executor gets to do one job with. */
export interface JobContext {
  readonly lease: LeaseMessage;
  /** The job's own folder, empty at the start, removed with all that is in it when the job is over. */
  readonly folder: string;
  readonly log: JobLog;
  /** Where everything that the job has outside of its folder is noted. */
  readonly traces: JobTraces;
  /** Counts what the job takes; waiting is not to count. */
  readonly limits: LimitWatch;
  /** Aborts when the job is cancelled or breaks a limit, its lease is lost or the agent stops: everything has to end then. */
  readonly signal: AbortSignal;
  readonly connection: ServerConnection;
  /** URL of the server, without a trailing slash. */
  readonly server: string;
  /** The key that the server signs packages with, armored. */
  readonly publicKey: string;
  /** What a build's environment starts from. */
  readonly environment: Readonly<Record<string, string>>;
  /** How many processors this job may keep busy. */
  readonly cores: number;
  readonly sharing: SharingParts;
  readonly clock: Clock;
}

/**
 * What a job made: a plan, which the server has already, or a file inside the job's folder: a package, or a PHP tree, packed for
 * an upload.
 */
export type JobOutput =
  | { readonly kind: 'plan' }
  | { readonly kind: 'package' | 'tree'; readonly path: string };

/** One way to do jobs. */
export interface JobExecutor {
  readonly name: ExecutorName;
  /** Throws AppError with a code and a sentence when the job has failed; they become its reason. */
  execute(job: JobContext): Promise<JobOutput>;
}
