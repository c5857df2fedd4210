import { createReadStream } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Database } from '../database/database.ts';
import type { ProfileCatalog } from '../gentoo/profile.ts';
import type { Event } from '../journal/event.ts';
import type { Journal } from '../journal/journal.ts';
import type { Repository } from '../repository/repository.ts';
import type { Clock } from '../support/clock.ts';
import { AppError, isErrno, messageOf } from '../support/errors.ts';
import { ensureInside } from '../support/files.ts';
import type { Service } from '../support/lifecycle.ts';
import type { Locks } from '../support/locks.ts';
import type { Log } from '../support/log.ts';
import { repeating } from '../support/schedule.ts';
import { acceptPackage } from './accept-package.ts';
import { acceptPlan } from './accept-plan.ts';
import { acceptResult } from './accept-result.ts';
import { findAgentRow, toAgent, touchAgent, upsertAgent } from './agent-store.ts';
import { markHeard } from './attempt-store.ts';
import { BuildLogs } from './build-log.ts';
import { type BuildRecords, createRecords } from './build-records.ts';
import type { AgentDescription, AgentRecord, Builds, Lease, LeaseKey } from './builds.ts';
import { type BuildSettings, type BuildsContext, transact } from './builds-context.ts';
import { cancelRequest } from './cancel-request.ts';
import { createRequest } from './create-request.ts';
import { heldJob, staleAttempt } from './fence.ts';
import { resumePublishing } from './finish-request.ts';
import { jobSpecSchema } from './job.ts';
import { leasedJobsByAgent, prolongLeases, updateLeasedJob } from './job-store.ts';
import { type Claim, claimForFirst, endAttempt, expireLeases, prepareLease } from './lease-job.ts';
import { LogFindings } from './log-findings.ts';
import { packEndedLogs } from './pack-ended-logs.ts';
import { Queue } from './queue.ts';
import { findJob, jobsOf, type LiveView, listAgents, packagesOf, readLog } from './read-builds.ts';
import { removeLeftovers } from './remove-leftovers.ts';
import { findRequestRow, listRequestRows, toRequest } from './request-store.ts';

export interface BuildsOptions {
  readonly database: Database;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  readonly locks: Locks;
  readonly repository: Repository;
  readonly profiles: ProfileCatalog;
  readonly folders: { readonly state: string };
  readonly settings: BuildSettings;
}

/** Expired leases are looked for this often, and also whenever somebody asks for a job. */
const LONGEST_SWEEP_MS = 5_000;

/**
 * The build farm: requests, their jobs, and the agents that do them. Everything that is acknowledged is in the
 * database; the service takes up from there what a stopped or killed process left.
 */
export function createBuilds(options: BuildsOptions): {
  builds: Builds;
  records: BuildRecords;
  service: Service;
} {
  const background = new Background(options.log);
  const logs = new BuildLogs({
    folder: join(options.folders.state, 'logs'),
    maxBytes: options.settings.maxLogBytes,
    locks: options.locks,
  });
  const context: BuildsContext = {
    ...options,
    logs,
    findings: new LogFindings(logs, options.locks),
    inBackground: (task, work) => {
      background.start(task, work);
    },
  };
  const queue = new Queue<Claim>({
    claim: async (agents) => await claimForFirst(context, agents),
    giveBack: async (claim) => {
      await endAttempt(context, claim.job, { kind: 'undelivered' });
    },
  });
  const unlisten = options.journal.listen((event) => {
    onEvent(event, logs, queue);
  });
  return {
    builds: createInterface(context, queue),
    records: createRecords(context, { waiting: () => queue.waiting() }),
    service: createService(context, { queue, background, unlisten }),
  };
}

function onEvent(event: Event, logs: BuildLogs, queue: Queue<Claim>): void {
  if (event.kind === 'job-ready') {
    queue.wake();
  }
  const { jobId } = event.data;
  if (event.kind.startsWith('job-') && typeof jobId === 'string') {
    logs.notify(jobId);
  }
}

function createInterface(context: BuildsContext, queue: Queue<Claim>): Builds {
  const { database } = context;
  const live: LiveView = { waiting: () => queue.waiting() };
  return {
    createRequest: async (request) => await createRequest(context, request),
    findRequest: async (id) => {
      const row = await findRequestRow(database, id);
      return row && toRequest(row);
    },
    listRequests: async (query) => (await listRequestRows(database, query)).map(toRequest),
    jobsOf: async (requestId) => await jobsOf(context, live, requestId),
    findJob: async (id) => await findJob(context, live, id),
    packagesOf: async (requestId) => await packagesOf(context, requestId),
    cancelRequest: async (id, actor) => await cancelRequest(context, id, actor),
    registerAgent: async (description) => await registerAgent(context, description),
    listAgents: async () => await listAgents(context, live),
    lease: async (agent, waitMs, signal) => await lease(context, queue, agent, { waitMs, signal }),
    heartbeat: async (key) => await heartbeat(context, key),
    appendLog: async (key, offset, bytes) => await appendLog(context, key, offset, bytes),
    openSource: async (key) => await openSource(context, key),
    acceptPlan: async (key, plan) => {
      await acceptPlan(context, key, plan);
    },
    acceptPackage: async (key, upload) => await acceptPackage(context, key, upload),
    acceptResult: async (key, result) => {
      await acceptResult(context, key, result);
    },
    readLog: async (jobId, options) => await readLog(context, jobId, options),
    followLog: (jobId, listener) => context.logs.follow(jobId, listener),
    removeLeftovers: async (ages) => await removeLeftovers(context, ages),
  };
}

/**
 * A restart gives every running lease its whole length again, so that an agent which goes on trying goes on with the
 * same attempt; and it takes up what was being published.
 */
function createService(
  context: BuildsContext,
  parts: {
    readonly queue: Queue<Claim>;
    readonly background: Background;
    readonly unlisten: () => void;
  },
): Service {
  const { leaseMs, heartbeatMs } = context.settings;
  let publishAgainAt = 0;
  const stopping = new AbortController();
  const publish = async (): Promise<void> => {
    publishAgainAt = context.clock.now() + leaseMs;
    await resumePublishing(context);
  };
  const sweep = repeating({
    name: 'lease sweep',
    everyMs: Math.max(10, Math.min(LONGEST_SWEEP_MS, heartbeatMs, leaseMs / 4)),
    work: async () => {
      await expireLeases(context);
      if (context.clock.now() >= publishAgainAt) {
        await publish();
      }
    },
    onError: (error) => {
      context.log.error({ error: messageOf(error) }, 'the sweep of leases failed');
    },
  });
  return {
    name: 'builds',
    start: async () => {
      await mkdir(join(context.folders.state, 'logs'), { recursive: true });
      await prolongLeases(context.database, context.clock.now() + leaseMs);
      await publish();
      context.inBackground('pack logs', async () => {
        await packEndedLogs(context, stopping.signal);
      });
      await sweep.start();
    },
    stop: async () => {
      stopping.abort();
      await sweep.stop();
      await parts.queue.stop();
      parts.unlisten();
      await parts.background.idle();
    },
  };
}

async function registerAgent(
  context: BuildsContext,
  description: AgentDescription,
): Promise<AgentRecord> {
  const { database, clock } = context;
  await upsertAgent(database, description, clock.now());
  const row = await findAgentRow(database, description.name);
  if (row === undefined) {
    throw new Error(`the agent ${description.name} is gone`);
  }
  await context.journal.record({
    kind: 'agent-registered',
    subject: `agent:${row.name}`,
    actor: `agent:${row.name}`,
    data: { chost: description.chost, executors: description.executors },
  });
  return toAgent(row, (await leasedJobsByAgent(database)).get(row.name) ?? []);
}

async function lease(
  context: BuildsContext,
  queue: Queue<Claim>,
  agent: string,
  wait: { readonly waitMs: number; readonly signal: AbortSignal },
): Promise<Lease | undefined> {
  const { database, clock } = context;
  if ((await findAgentRow(database, agent)) === undefined) {
    throw new AppError('unknown-agent', `No agent has registered as ${agent}.`, {
      details: { agent },
    });
  }
  await touchAgent(database, agent, clock.now());
  await expireLeases(context);
  const claim = await queue.next(agent, wait.waitMs, wait.signal);
  if (claim === undefined) {
    return undefined;
  }
  const prepared = await prepareLease(context, claim);
  if (prepared !== undefined && wait.signal.aborted) {
    await endAttempt(context, claim.job, { kind: 'undelivered' });
    return undefined;
  }
  return prepared;
}

/** A cancelled job's lease is not extended: an agent that does not stop loses it. */
async function heartbeat(context: BuildsContext, key: LeaseKey): Promise<'go-on' | 'cancel'> {
  return await transact(context, `agent:${key.agent}`, async ({ queries, now }) => {
    await touchAgent(queries, key.agent, now);
    const job = await heldJob(queries, key);
    await markHeard(queries, key, now);
    const request = await findRequestRow(queries, job.request_id);
    if (request !== undefined && request.cancelled_by !== null) {
      return 'cancel';
    }
    const expiresAt = now + context.settings.leaseMs;
    if (!(await updateLeasedJob(queries, key, { lease_expires_at: expiresAt }))) {
      throw staleAttempt(key);
    }
    return 'go-on';
  });
}

async function appendLog(
  context: BuildsContext,
  key: LeaseKey,
  offset: number,
  bytes: Uint8Array,
): Promise<number> {
  await heldJob(context.database, key);
  return await context.logs.append(key, offset, bytes);
}

async function openSource(
  context: BuildsContext,
  key: LeaseKey,
): Promise<{ readonly stream: Readable; readonly size: number }> {
  const job = await heldJob(context.database, key);
  const spec = jobSpecSchema.parse(JSON.parse(job.spec_json));
  const sha512 = spec.kind === 'source-package' ? spec.sourceSha512 : null;
  if (sha512 === null) {
    throw new AppError('unknown-source', `The server holds no source for the job ${job.name}.`);
  }
  const path = ensureInside(join(context.folders.state, 'sources'), sha512);
  try {
    const { size } = await stat(path);
    return { stream: createReadStream(path), size };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      throw new AppError(
        'unknown-source',
        `The packed source of ${job.name} is not there any more.`,
        {
          details: { sha512 },
          cause: error,
        },
      );
    }
    throw error;
  }
}

/** Work that goes on after the answer was given, one of a name at a time. */
class Background {
  readonly #log: Log;
  readonly #running = new Map<string, Promise<void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  start(task: string, work: () => Promise<void>): void {
    if (!this.#running.has(task)) {
      this.#running.set(task, this.#run(task, work));
    }
  }

  async #run(task: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#log.error({ task, error: messageOf(error) }, 'work in the background failed');
    } finally {
      this.#running.delete(task);
    }
  }

  async idle(): Promise<void> {
    await Promise.all(this.#running.values());
  }
}
