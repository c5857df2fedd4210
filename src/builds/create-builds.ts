import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Database } from '../database/database.ts';
import { readAtOnce } from '../database/read-at-once.ts';
import type { ProfileCatalog } from '../gentoo/profile.ts';
import type { Event } from '../journal/event.ts';
import type { Journal } from '../journal/journal.ts';
import type { Repository } from '../repository/repository.ts';
import type { Clock } from '../support/clock.ts';
import { AppError, isErrno } from '../support/errors.ts';
import { ensureInside } from '../support/files.ts';
import type { Service } from '../support/lifecycle.ts';
import type { Locks } from '../support/locks.ts';
import type { Log } from '../support/log.ts';
import { acceptPackage } from './accept-package.ts';
import { acceptPlan } from './accept-plan.ts';
import { acceptResult } from './accept-result.ts';
import { acceptTree } from './accept-tree.ts';
import { findAgentRow, toAgent, upsertAgent } from './agent-store.ts';
import { appendLog, LogTimes } from './append-log.ts';
import { attemptsOf, toAttempt } from './attempt-store.ts';
import { Background } from './background.ts';
import { blockedRows } from './blocked-store.ts';
import { BuildLogs } from './build-log.ts';
import { type BuildRecords, createRecords } from './build-records.ts';
import type { AgentDescription, AgentRecord, Builds, Lease, LeaseKey } from './builds.ts';
import type { BuildSettings, BuildsContext, TreeStore } from './builds-context.ts';
import { createBuildsService } from './builds-service.ts';
import { cancelRequest } from './cancel-request.ts';
import { restoreAgent } from './circuit-breaker.ts';
import { ClockJumps } from './clock-jumps.ts';
import { createRequest } from './create-request.ts';
import { drainAgent, resumeAgent } from './drain-agent.ts';
import { FarmLooks } from './farm-looks.ts';
import { heldJob } from './fence.ts';
import { type HeartbeatWait, HeldHeartbeats, heartbeat } from './heartbeat.ts';
import { jobSpecSchema } from './job.ts';
import { leasedJobsByAgent } from './job-store.ts';
import { builtAs } from './join-store.ts';
import {
  type Claim,
  claimForFirst,
  endAttempt,
  expireLeasesIfAny,
  prepareLease,
} from './lease-job.ts';
import { LogFindings } from './log-findings.ts';
import { lookAtJob, lookAtRequest } from './look-at-request.ts';
import { pauseProfile, resumeProfile } from './pause-profile.ts';
import { allPauses } from './pause-store.ts';
import { publishEndedRequest } from './publish-request.ts';
import { Queue } from './queue.ts';
import { findJob, jobsOf, type LiveView, listAgents, packagesOf, readLog } from './read-builds.ts';
import { removeLeftovers } from './remove-leftovers.ts';
import { requestPhpTree } from './request-php-tree.ts';
import { findRequestRow, listRequestRows, toRequest } from './request-store.ts';
import { SeenAgents } from './seen-agents.ts';
import { pauseRequest, prioritizeRequest, resumeRequest } from './steer-request.ts';
import { toBlockedBuild, unblock } from './unblock.ts';

export interface BuildsOptions {
  readonly database: Database;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  readonly locks: Locks;
  readonly repository: Repository;
  readonly trees: TreeStore;
  readonly profiles: ProfileCatalog;
  readonly folders: { readonly state: string };
  readonly settings: BuildSettings;
  /** Other servers may take what agents say, too. */
  readonly othersServe?: boolean;
  /** Whether this server leads; one that is alone does. */
  readonly leads?: () => boolean;
}

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
    jumps: new ClockJumps(options.clock, options.leads),
    findings: new LogFindings(logs, options.locks),
    seen: new SeenAgents(),
    looks: new FarmLooks(options.database, options.clock),
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
  const parts: Parts = { queue, heartbeats: new HeldHeartbeats(), logTimes: new LogTimes() };
  const unlisten = options.journal.listen((event) => {
    context.looks.forget();
    onEvent(event, logs, parts);
  });
  return {
    builds: createInterface(context, parts),
    records: createRecords(context, { waiting: () => queue.waiting() }),
    service: createBuildsService(context, {
      queue,
      background,
      unlisten,
      othersServe: options.othersServe ?? false,
    }),
  };
}

/** Events after which somebody who waits may have a job. */
const OFFERS = new Set([
  'job-ready',
  'request-resumed',
  'profile-resumed',
  'agent-resumed',
  'agent-restored',
]);

function onEvent(event: Event, logs: BuildLogs, { queue, heartbeats }: Parts): void {
  if (OFFERS.has(event.kind)) {
    queue.wake();
  }
  const { jobId, requestId } = event.data;
  if (event.kind.startsWith('job-') && typeof jobId === 'string') {
    logs.notify(jobId);
    heartbeats.wake(jobId);
  }
  if (event.kind === 'request-cancelled' && typeof requestId === 'string') {
    heartbeats.wake(requestId);
  }
}

/** What one service has beside its database. */
interface Parts {
  readonly queue: Queue<Claim>;
  readonly heartbeats: HeldHeartbeats;
  readonly logTimes: LogTimes;
}

const AT_ONCE: HeartbeatWait = { waitMs: 0, signal: new AbortController().signal };

function createInterface(context: BuildsContext, parts: Parts): Builds {
  const { database } = context;
  const { queue } = parts;
  const live: LiveView = { waiting: () => queue.waiting() };
  return {
    createRequest: async (request) => await createRequest(context, request),
    requestPhpTree: async (wanted) => await requestPhpTree(context, wanted),
    findRequest: async (id) => {
      const row = await findRequestRow(database, id);
      return row && toRequest(row);
    },
    listRequests: async (query) => (await listRequestRows(database, query)).map(toRequest),
    ...looking(context, live),
    cancelRequest: async (id, actor) => await cancelRequest(context, id, actor),
    publishRequest: async (id, wanted) => await publishEndedRequest(context, id, wanted),
    ...steering(context),
    listBlocked: async (profile) => (await blockedRows(database, profile)).map(toBlockedBuild),
    unblock: async (wanted, actor) => await unblock(context, wanted, actor),
    restoreAgent: async (name, actor) => {
      await restoreAgent(context, name, actor);
      return await recordOf(context, name);
    },
    whyIdle: async (agent) => (await context.looks.idleAgents.look()).get(agent),
    registerAgent: async (description) => await registerAgent(context, description),
    lease: async (agent, waitMs, signal, diskFreeBytes) =>
      await lease(context, queue, agent, { waitMs, signal, diskFreeBytes }),
    heartbeat: async (key, wait = AT_ONCE) => await heartbeat(context, parts.heartbeats, key, wait),
    appendLog: async (key, offset, bytes) =>
      await appendLog(context, parts.logTimes, key, { offset, bytes }),
    openSource: async (key) => await openSource(context, key),
    acceptPlan: async (key, plan) => {
      const stale = await acceptPlan(context, key, plan);
      return stale;
    },
    acceptPackage: async (key, upload) => await acceptPackage(context, key, upload),
    acceptTree: async (key, upload) => await acceptTree(context, key, upload),
    acceptResult: async (key, result) => {
      await acceptResult(context, key, result);
    },
    readLog: async (jobId, options) => await readLog(context, jobId, options),
    followLog: (jobId, listener) => context.logs.follow(jobId, listener),
    isLogFollowed: (jobId) => context.logs.isFollowed(jobId),
    removeLeftovers: async (ages) => await removeLeftovers(context, ages),
  };
}

type Looking =
  | 'lookAt'
  | 'lookAtJob'
  | 'jobsOf'
  | 'findJob'
  | 'attemptsOf'
  | 'packagesOf'
  | 'listAgents';

/** What there is, each answer of one moment. */
function looking(context: BuildsContext, live: LiveView): Pick<Builds, Looking> {
  const { database } = context;
  return {
    lookAt: async (requestId) => await lookAtRequest(context, live, requestId),
    lookAtJob: async (jobId) => await lookAtJob(context, live, jobId),
    jobsOf: async (requestId) => await jobsOf(context, live, requestId),
    findJob: async (id) => await findJob(context, live, id),
    attemptsOf: async (jobId) =>
      (await attemptsOf(database, await builtAs(database, jobId))).map(toAttempt),
    packagesOf: async (requestId) => await packagesOf(context, requestId),
    listAgents: async () =>
      await readAtOnce(
        database,
        async (queries) => await listAgents({ ...context, database: queries }, live),
      ),
  };
}

type Steering =
  | 'pauseRequest'
  | 'resumeRequest'
  | 'prioritizeRequest'
  | 'pauseProfile'
  | 'resumeProfile'
  | 'listPauses'
  | 'drainAgent'
  | 'resumeAgent';

/** What people say about who builds what when. */
function steering(context: BuildsContext): Pick<Builds, Steering> {
  return {
    pauseRequest: async (id, pause) => await pauseRequest(context, id, pause),
    resumeRequest: async (id, actor) => await resumeRequest(context, id, actor),
    prioritizeRequest: async (id, change) => await prioritizeRequest(context, id, change),
    pauseProfile: async (profile, pause) => await pauseProfile(context, profile, pause),
    resumeProfile: async (profile, actor) => {
      await resumeProfile(context, profile, actor);
    },
    listPauses: async () => await allPauses(context.database),
    drainAgent: async (name, drain) => await drainAgent(context, name, drain),
    resumeAgent: async (name, actor) => await resumeAgent(context, name, actor),
  };
}

async function registerAgent(
  context: BuildsContext,
  description: AgentDescription,
): Promise<AgentRecord> {
  const { database, clock } = context;
  const { name } = description;
  await upsertAgent(database, description, clock.now());
  context.seen.forget(name);
  await context.journal.record({
    kind: 'agent-registered',
    subject: `agent:${name}`,
    actor: `agent:${name}`,
    data: { chost: description.chost, executors: description.executors },
  });
  return await recordOf(context, name);
}

async function recordOf({ database }: BuildsContext, name: string): Promise<AgentRecord> {
  const row = await findAgentRow(database, name);
  if (row === undefined) {
    throw new Error(`the agent ${name} is gone`);
  }
  return toAgent(row, (await leasedJobsByAgent(database)).get(name) ?? []);
}

async function lease(
  context: BuildsContext,
  queue: Queue<Claim>,
  agent: string,
  wait: {
    readonly waitMs: number;
    readonly signal: AbortSignal;
    readonly diskFreeBytes: number | undefined;
  },
): Promise<Lease | undefined> {
  const { database, clock, seen } = context;
  if (!seen.has(agent) && (await findAgentRow(database, agent)) === undefined) {
    throw new AppError('unknown-agent', `No agent has registered as ${agent}.`, {
      details: { agent },
    });
  }
  const { diskFreeBytes } = wait;
  await seen.note(database, { name: agent, at: clock.now(), diskFreeBytes });
  await expireLeasesIfAny(context);
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
