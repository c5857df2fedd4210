import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  AgentDescriptionMessage,
  IdleMessage,
  LeaseMessage,
  Registration,
  ResultMessage,
} from '../protocol/agents.ts';
import { type Clock, sleep } from '../support/clock.ts';
import { digestFile } from '../support/digests.ts';
import { isAppError, messageOf } from '../support/errors.ts';
import type { Log } from '../support/log.ts';
import { diskFree } from './describe-machine.ts';
import type { JobContext, JobExecutor, JobOutput } from './executors/executor.ts';
import { JobLog, LogStream } from './job-log.ts';
import { JobTraces } from './job-traces.ts';
import { type Ending, failureCode, JobWatch } from './job-watch.ts';
import { LimitWatch } from './limit-watch.ts';
import type { ServerConnection } from './server-connection.ts';
import type { SharingParts } from './sharing/share-compiling.ts';
import type { WorkFolder } from './work-folder.ts';

const LEASE_WAIT_MS = 30_000;
/** A server that does not wait when there is no work is not asked more often than this. */
const SHORTEST_ROUND_MS = 1000;
const PAUSE_AFTER_FAULT_MS = 10_000;
const MAXIMUM_REASON = 10_000;
/** How long a stopping agent tries to give its job back. */
const GIVE_BACK_MS = 3000;
const MAXIMUM_CODE = 100;

export interface BuildLoopContext {
  readonly connection: ServerConnection;
  readonly server: string;
  readonly description: AgentDescriptionMessage;
  readonly registration: Registration;
  readonly executors: readonly JobExecutor[];
  readonly workFolder: WorkFolder;
  readonly environment: Readonly<Record<string, string>>;
  readonly cores: number;
  readonly sharing: SharingParts;
  readonly clock: Clock;
  readonly idle: IdleNotice;
  readonly log: Log;
}

/** Says once why the server gives this agent nothing, and once that it does again. */
export class IdleNotice {
  #said = '';

  tell(idle: IdleMessage['idle'] | undefined, log: Log): void {
    const said = idle === undefined ? '' : `${idle.state}: ${idle.reason}`;
    if (said !== '' && said !== this.#said) {
      log.warn(idle ?? {}, `this agent gets no jobs, it is ${idle?.state}`);
    } else if (said === '' && this.#said !== '') {
      log.info('this agent gets jobs again');
    }
    this.#said = said;
  }
}

/**
 * One slot of the agent: takes a job, does it, reports, and takes the next, until the signal aborts. What goes
 * wrong with a job is the job's result. Throws `agent-refused`.
 */
export async function runBuildLoop(context: BuildLoopContext, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const lease = await takeLease(context, signal);
    if (lease !== undefined) {
      await doJobAndRecover(context, lease, signal);
    }
  }
}

async function takeLease(
  context: BuildLoopContext,
  signal: AbortSignal,
): Promise<LeaseMessage | undefined> {
  const begun = context.clock.now();
  try {
    const free = await diskFree(context.workFolder.path);
    const answer = await context.connection.lease(LEASE_WAIT_MS, free, signal);
    const idle = answer !== undefined && 'idle' in answer ? answer.idle : undefined;
    context.idle.tell(idle, context.log);
    if (answer !== undefined && !('idle' in answer)) {
      return answer;
    }
    await sleep(begun + SHORTEST_ROUND_MS - context.clock.now(), signal);
    return undefined;
  } catch (error) {
    if (isAppError(error, 'agent-refused')) {
      throw error;
    }
    if (isAppError(error, 'unknown-agent')) {
      await context.connection.register(context.description, signal);
    } else if (!signal.aborted) {
      context.log.error({ reason: messageOf(error) }, 'no lease');
      await sleep(PAUSE_AFTER_FAULT_MS, signal);
    }
    return undefined;
  }
}

/** A fault of this machine before the job has a folder and a log, such as a full disk, is told if that can be done. */
async function doJobAndRecover(
  context: BuildLoopContext,
  lease: LeaseMessage,
  signal: AbortSignal,
): Promise<void> {
  try {
    await doJob(context, lease, signal);
  } catch (error) {
    if (isAppError(error, 'agent-refused')) {
      throw error;
    }
    context.log.error({ jobId: lease.jobId, reason: messageOf(error) }, 'job dropped');
    await sendLastWord(context, lease, {
      outcome: 'failed',
      code: failureCode(error),
      reason: messageOf(error).slice(0, MAXIMUM_REASON),
    });
    await sleep(PAUSE_AFTER_FAULT_MS, signal);
  }
}

async function doJob(
  context: BuildLoopContext,
  lease: LeaseMessage,
  signal: AbortSignal,
): Promise<void> {
  const { jobId, attempt } = lease;
  context.log.info({ jobId, attempt, work: lease.work.kind }, 'job taken');
  const ending = await context.workFolder.withJobFolder(async (folder) => {
    const log = new JobLog(join(folder, 'log'));
    try {
      const build = join(folder, 'build');
      await mkdir(build);
      const traces = new JobTraces(folder);
      const { limits: allowed } = lease;
      const limits = new LimitWatch({ limits: allowed, log, folder: build });
      return await attemptJob(context, { lease, folder: build, log, traces, limits, signal });
    } finally {
      log.close();
    }
  });
  context.log.info({ jobId, attempt, ...describeEnding(ending) }, 'job left');
  if (ending.kind === 'refused') {
    throw ending.error;
  }
}

interface JobRun {
  readonly lease: LeaseMessage;
  readonly folder: string;
  readonly log: JobLog;
  readonly traces: JobTraces;
  readonly limits: LimitWatch;
  /** Of the agent as a whole. */
  readonly signal: AbortSignal;
}

async function attemptJob(context: BuildLoopContext, job: JobRun): Promise<Ending> {
  const watch = new JobWatch({
    connection: context.connection,
    attempt: job.lease,
    heartbeatMs: context.registration.heartbeatMs,
    signal: job.signal,
  });
  try {
    await workAndTell(context, job, watch);
    const told = watch.ending;
    await watch.settle(async () => {
      await report(context, job, told, watch.silence);
    });
    if (watch.ending !== told) {
      await watch.settle(async () => {
        await report(context, job, watch.ending, watch.silence);
      });
    }
  } finally {
    watch.close();
  }
  if (watch.ending.kind === 'stopping') {
    await giveBack(context, job.lease);
  }
  return watch.ending;
}

/** Lets another agent have the job at once, instead of when the lease has run out. */
async function giveBack(context: BuildLoopContext, lease: LeaseMessage): Promise<void> {
  await sendLastWord(context, lease, { outcome: 'cancelled', reason: 'The agent was stopped.' });
}

async function sendLastWord(
  context: BuildLoopContext,
  lease: LeaseMessage,
  result: ResultMessage,
): Promise<void> {
  try {
    await context.connection.sendResult(lease, result, AbortSignal.timeout(GIVE_BACK_MS));
  } catch (error) {
    const fields = { jobId: lease.jobId, reason: messageOf(error) };
    context.log.warn(fields, 'the job could not be given back; its lease will run out');
  }
}

/** The work itself, its log and its heartbeats: everything up to the result. */
async function workAndTell(context: BuildLoopContext, job: JobRun, watch: JobWatch): Promise<void> {
  const { lease, log } = job;
  const { connection } = context;
  const stream = new LogStream({ log, connection, attempt: lease, agentLog: context.log });
  const background = [
    watch.guard(async (ended) => {
      await watch.beat(ended);
    }),
    watch.guard(async (ended) => {
      await stream.follow(ended, watch.silence);
    }),
  ];
  try {
    await watch.settle(async () => {
      const output = await withinLimits(job, watch, async () =>
        execute(context, job, watch.signal),
      );
      await deliver(context, job, output, watch.signal);
    });
    if (watch.ending.kind === 'cancelled') {
      log.note('The job was cancelled.');
    }
    const breach = breachOf(watch.ending);
    await watch.settle(async () => {
      await (breach === undefined
        ? stream.finish(watch.silence)
        : stream.endWith(breach, lease.limits.logBytes, watch.silence));
    });
  } finally {
    watch.end();
    await Promise.all(background);
  }
}

function breachOf(ending: Ending): string | undefined {
  return ending.kind === 'failed' && ending.code === 'limit-exceeded' ? ending.reason : undefined;
}

/** A build that breaks a limit is ended like one that is cancelled, and has failed. */
async function withinLimits<T>(job: JobRun, watch: JobWatch, work: () => Promise<T>): Promise<T> {
  const over = new AbortController();
  const watched = watch.guard(async (ended) => {
    await job.limits.follow(AbortSignal.any([ended, over.signal]));
  });
  try {
    const output = await work();
    await job.limits.finish();
    return output;
  } finally {
    over.abort();
    await watched;
  }
}

async function execute(
  context: BuildLoopContext,
  job: JobRun,
  signal: AbortSignal,
): Promise<JobOutput> {
  const name = job.lease.work.kind === 'source-package' ? 'source' : 'portage';
  const executor = context.executors.find((candidate) => candidate.name === name);
  if (executor === undefined) {
    throw new Error(`this agent was given work for the executor ${name}, which it has not offered`);
  }
  const jobContext: JobContext = {
    lease: job.lease,
    folder: job.folder,
    log: job.log,
    traces: job.traces,
    limits: job.limits,
    signal,
    connection: context.connection,
    server: context.server,
    publicKey: job.lease.publicKey ?? context.registration.publicKey,
    environment: context.environment,
    cores: context.cores,
    sharing: context.sharing,
    clock: context.clock,
  };
  return await executor.execute(jobContext);
}

async function deliver(
  context: BuildLoopContext,
  job: JobRun,
  output: JobOutput,
  signal: AbortSignal,
): Promise<void> {
  if (output.kind === 'plan') {
    return;
  }
  const { size, digests } = await digestFile(output.path, ['sha512']);
  const file = { path: output.path, sha512: digests.of('sha512') };
  if (output.kind === 'tree') {
    job.log.note(`Uploading the PHP tree, ${size} bytes.`);
    const { tree } = await context.connection.uploadTree(job.lease, file, signal);
    job.log.note(`The server has it as ${tree}.`);
    return;
  }
  job.log.note(`Uploading the package, ${size} bytes.`);
  const view = await context.connection.uploadPackage(job.lease, file, signal);
  job.log.note(`The server has it as ${view.path}.`);
}

async function report(
  context: BuildLoopContext,
  { lease, limits }: JobRun,
  ending: Ending,
  signal: AbortSignal,
): Promise<void> {
  switch (ending.kind) {
    case 'running':
      await context.connection.sendResult(
        lease,
        { outcome: 'succeeded', measured: limits.measured },
        signal,
      );
      return;
    case 'cancelled':
      await context.connection.sendResult(lease, { outcome: 'cancelled' }, signal);
      return;
    case 'failed':
      await context.connection.sendResult(
        lease,
        {
          outcome: 'failed',
          code: ending.code.slice(0, MAXIMUM_CODE),
          reason: ending.reason.slice(0, MAXIMUM_REASON),
        },
        signal,
      );
      return;
    case 'lost':
    case 'stopping':
    case 'refused':
      return;
  }
}

function describeEnding(ending: Ending): Record<string, unknown> {
  const { kind, ...more } = ending;
  return kind === 'refused'
    ? { ending: kind }
    : { ending: kind === 'running' ? 'succeeded' : kind, ...more };
}
