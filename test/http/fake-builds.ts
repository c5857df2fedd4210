import { Readable } from 'node:stream';
import type {
  AgentDescription,
  AgentRecord,
  Attempt,
  BlockedBuild,
  Builds,
  Lease,
  LeaseKey,
  Leftovers,
  RequestPackage,
} from '../../src/builds/builds.ts';
import type { JobLook, RequestLook } from '../../src/builds/look-at-request.ts';
import type { ProfilePause } from '../../src/builds/profile-pause.ts';
import {
  type BuildRequest,
  type ExplainedJob,
  FINAL_JOB_STATES,
  type Job,
} from '../../src/builds/request.ts';
import type { BuildLimits } from '../../src/gentoo/build-limits.ts';
import type { PlanProblem } from '../../src/gentoo/plan-problem.ts';
import type { PortagePlan } from '../../src/gentoo/portage-plan.ts';
import type { Journal } from '../../src/journal/journal.ts';
import type { Repository } from '../../src/repository/repository.ts';
import type { Clock } from '../../src/support/clock.ts';
import { AppError } from '../../src/support/errors.ts';
import { refuseTrees } from '../builds/no-trees.ts';
import { FakeLogs, shortView, theOne } from './fake-parts.ts';
import { FakeRecords } from './fake-records.ts';

/** An agent that gets jobs. */
export const ACTIVE = {
  state: 'active',
  stateReason: null,
  stateSince: null,
  trialAt: null,
} as const;

export const LIMITS: BuildLimits = {
  silenceMs: 60_000,
  runMs: 600_000,
  logBytes: 1e6,
  diskBytes: 1e9,
};

export const SOURCE_BYTES = Buffer.from('a packed folder');

/** The build farm as its interface tells it, in memory. */
export class FakeBuilds implements Builds {
  readonly requests: BuildRequest[] = [];
  readonly jobs: ExplainedJob[] = [];
  readonly pauses: ProfilePause[] = [];
  readonly built: (RequestPackage & { requestId: string })[] = [];
  readonly agents: AgentRecord[] = [];
  readonly leases: Lease[] = [];
  readonly blocked: BlockedBuild[] = [];
  readonly attempts = new Map<string, Attempt[]>();
  readonly plans: PortagePlan[] = [];
  /** What logs and history tell of its jobs. */
  readonly records = new FakeRecords();
  readonly problems = new Map<string, readonly PlanProblem[]>();
  readonly results: {
    readonly key: LeaseKey;
    readonly outcome: string;
    readonly reason: string | undefined;
  }[] = [];
  /** How many calls of `lease` wait now. */
  waiting = 0;
  readonly #logs = new FakeLogs();
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #repository: Repository;

  constructor(rooms: {
    readonly clock: Clock;
    readonly journal: Journal;
    readonly repository: Repository;
  }) {
    this.#clock = rooms.clock;
    this.#journal = rooms.journal;
    this.#repository = rooms.repository;
  }

  addRequest(given: Partial<BuildRequest> & { readonly id: string }): BuildRequest {
    const request: BuildRequest = {
      profile: 'web-zen4',
      atoms: ['dev-lang/php'],
      rebuild: false,
      resolve: [],
      publish: null,
      partial: false,
      state: 'building',
      reason: null,
      author: 'token:ops',
      createdAt: this.#clock.now(),
      finishedAt: null,
      priority: 0,
      paused: null,
      ...given,
    };
    this.requests.unshift(request);
    return request;
  }

  addJob(
    given: Partial<ExplainedJob> & { readonly id: string; readonly requestId: string },
  ): ExplainedJob {
    const job: ExplainedJob = {
      kind: 'package',
      position: this.jobs.length,
      name: `app-misc/${given.id}-1.0`,
      executor: 'portage',
      because: null,
      state: 'waiting',
      reason: 'Waits for an agent.',
      attempt: 0,
      agent: null,
      createdAt: this.#clock.now(),
      startedAt: null,
      finishedAt: null,
      packageId: null,
      needs: [],
      why: { code: 'no-agent' },
      ...given,
    };
    this.jobs.push(job);
    return job;
  }

  /** Changes a request and tells the journal, as the real one does after its commit. */
  async changeRequest(id: string, change: Partial<BuildRequest>): Promise<void> {
    const index = this.requests.findIndex((request) => request.id === id);
    const before = this.#request(id);
    this.requests[index] = { ...before, ...change };
    await this.#tell(`request:${id}`, { requestId: id });
  }

  async changeJob(id: string, change: Partial<Job>): Promise<void> {
    const index = this.jobs.findIndex((job) => job.id === id);
    const before = this.#job(id);
    this.jobs[index] = { ...before, ...change };
    await this.#tell(`job:${id}`, { requestId: before.requestId });
    this.#logs.notify(id);
  }

  async createRequest(request: Parameters<Builds['createRequest']>[0]): Promise<BuildRequest> {
    const bad = request.atoms.find((atom) => !/^@?[\w./+-]+$/.test(atom));
    if (bad !== undefined) {
      throw new AppError('invalid-atom', `"${bad}" is not an atom.`, { details: { atom: bad } });
    }
    const id = `rq-${this.requests.length + 1}`;
    const { profile, atoms, publish, partial, rebuild, resolve, priority, author } = request;
    const wanted = { profile, atoms, author, publish: publish ?? null, partial: partial ?? false };
    const how = { rebuild: rebuild ?? false, resolve: resolve ?? [], priority: priority ?? 0 };
    return this.addRequest({ id, ...wanted, ...how, state: 'planning' });
  }

  async findRequest(id: string): Promise<BuildRequest | undefined> {
    return this.requests.find((request) => request.id === id);
  }

  async listRequests(query: { readonly profile?: string; readonly limit: number }) {
    return this.requests
      .filter(({ profile }) => query.profile === undefined || profile === query.profile)
      .slice(0, query.limit);
  }

  async lookAt(requestId: string): Promise<RequestLook | undefined> {
    const request = await this.findRequest(requestId);
    if (request === undefined) {
      return undefined;
    }
    const jobs = await this.jobsOf(requestId);
    return {
      request,
      jobs,
      packages: (await this.packagesOf(requestId)).map(shortView),
      problems: this.problems.get(requestId) ?? [],
      ...(await this.records.look(request, jobs)),
    };
  }

  async lookAtJob(id: string): Promise<JobLook | undefined> {
    const job = await this.findJob(id);
    return (
      job && {
        job,
        attempts: await this.attemptsOf(id),
        ...(await this.records.look(this.#request(job.requestId), [job])),
      }
    );
  }

  async jobsOf(requestId: string): Promise<ExplainedJob[]> {
    return this.jobs.filter((job) => job.requestId === requestId);
  }

  async findJob(id: string): Promise<ExplainedJob | undefined> {
    return this.jobs.find((job) => job.id === id);
  }

  async attemptsOf(jobId: string): Promise<Attempt[]> {
    return this.attempts.get(jobId) ?? [];
  }

  async listBlocked(profile?: string): Promise<BlockedBuild[]> {
    return this.blocked.filter((one) => profile === undefined || one.profile === profile);
  }

  async unblock(wanted: Parameters<Builds['unblock']>[0]): Promise<BlockedBuild[]> {
    const found = await this.listBlocked(wanted.profile);
    if (found.length === 0) {
      throw new AppError('not-blocked', `Nothing of ${wanted.profile} is blocked.`);
    }
    this.blocked.splice(0);
    return found;
  }

  async restoreAgent(name: string): Promise<AgentRecord> {
    const place = this.agents.findIndex((agent) => agent.name === name);
    const agent = this.agents[place];
    if (agent?.state !== 'taken-out') {
      throw new AppError('agent-not-taken-out', `The agent ${name} is not taken out.`);
    }
    const restored: AgentRecord = { ...agent, ...ACTIVE };
    this.agents[place] = restored;
    return restored;
  }

  async whyIdle(name: string): ReturnType<Builds['whyIdle']> {
    const agent = this.agents.find((one) => one.name === name);
    return agent === undefined || agent.state === 'active'
      ? undefined
      : { state: agent.state, reason: agent.stateReason ?? '' };
  }

  async packagesOf(requestId: string) {
    return this.built.filter((entry) => entry.requestId === requestId);
  }

  async publishRequest(id: string, wanted: Parameters<Builds['publishRequest']>[1]) {
    const before = this.#request(id);
    if (before.finishedAt === null) {
      throw new AppError('request-unfinished', `The request ${id} has not ended.`);
    }
    const { partial, channel: publish = before.publish } = wanted;
    await this.changeRequest(id, { state: 'publishing', partial, publish });
    return this.#request(id);
  }

  async cancelRequest(id: string, actor: string): Promise<BuildRequest> {
    if (this.#request(id).finishedAt !== null) {
      throw new AppError('request-finished', `The request ${id} has ended already.`);
    }
    const finishedAt = this.#clock.now();
    await this.changeRequest(id, {
      state: 'cancelled',
      reason: `Cancelled by ${actor}.`,
      finishedAt,
    });
    return this.#request(id);
  }

  async pauseRequest(id: string, { actor, reason }: Parameters<Builds['pauseRequest']>[1]) {
    await this.changeRequest(id, { paused: { by: actor, reason, pausedAt: this.#clock.now() } });
    return this.#request(id);
  }

  async resumeRequest(id: string) {
    await this.changeRequest(id, { paused: null });
    return this.#request(id);
  }

  async prioritizeRequest(id: string, { priority }: Parameters<Builds['prioritizeRequest']>[1]) {
    await this.changeRequest(id, { priority });
    return this.#request(id);
  }

  async pauseProfile(profile: string, { actor, reason }: Parameters<Builds['pauseProfile']>[1]) {
    const pause = { profile, by: actor, reason, pausedAt: this.#clock.now() };
    this.pauses.push(pause);
    return pause;
  }

  async resumeProfile(profile: string): Promise<void> {
    const index = this.pauses.findIndex((pause) => pause.profile === profile);
    if (index < 0) {
      throw new AppError('profile-not-paused', `The profile ${profile} is not paused.`);
    }
    this.pauses.splice(index, 1);
  }

  async listPauses(): Promise<ProfilePause[]> {
    return [...this.pauses];
  }

  async drainAgent(name: string, { actor, reason }: Parameters<Builds['drainAgent']>[1]) {
    return this.#changeAgent(name, {
      state: 'drained',
      stateReason: `Drained by ${actor}: ${reason}`,
    });
  }

  async resumeAgent(name: string) {
    return this.#changeAgent(name, { state: 'active', stateReason: null });
  }

  #changeAgent(name: string, change: Partial<AgentRecord>): AgentRecord {
    const index = this.agents.findIndex((agent) => agent.name === name);
    const before = this.agents[index];
    if (before === undefined) {
      throw new AppError('unknown-agent', `There is no agent ${name}.`);
    }
    const after = { ...before, ...change };
    this.agents[index] = after;
    return after;
  }

  async registerAgent(description: AgentDescription): Promise<AgentRecord> {
    const now = this.#clock.now();
    const record: AgentRecord = {
      ...description,
      registeredAt: now,
      lastSeenAt: now,
      ...ACTIVE,
      jobIds: [],
    };
    this.agents.push(record);
    return record;
  }

  async listAgents(): Promise<AgentRecord[]> {
    return [...this.agents];
  }

  async lease(agent: string, waitMs: number, signal: AbortSignal): Promise<Lease | undefined> {
    if (!this.agents.some(({ name }) => name === agent)) {
      throw new AppError('unknown-agent', `There is no agent ${agent}.`);
    }
    const lease = this.leases.shift();
    if (lease !== undefined || waitMs === 0) {
      return lease;
    }
    this.waiting += 1;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      const onAbort = (): void => {
        clearTimeout(timer);
        resolve();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) {
        onAbort();
      }
    });
    this.waiting -= 1;
    return undefined;
  }

  async heartbeat(key: LeaseKey): Promise<'go-on' | 'cancel'> {
    return this.#fenced(key).reason === 'cancel' ? 'cancel' : 'go-on';
  }

  async appendLog(key: LeaseKey, offset: number, bytes: Uint8Array): Promise<number> {
    this.#fenced(key);
    return this.writeLog(key.jobId, key.attempt, offset, bytes);
  }

  /** Appends without a lease. */
  writeLog(jobId: string, attempt: number, offset: number, bytes: Uint8Array): number {
    return this.#logs.append(jobId, { attempt, offset, bytes });
  }

  async openSource(key: LeaseKey): Promise<{ readonly stream: Readable; readonly size: number }> {
    this.#fenced(key);
    return { stream: Readable.from([SOURCE_BYTES]), size: SOURCE_BYTES.length };
  }

  async removeLeftovers(): Promise<Leftovers> {
    return { stagingTrees: 0, sources: 0, logs: 0 };
  }

  async acceptPlan(key: LeaseKey, plan: PortagePlan): Promise<readonly string[]> {
    this.#fenced(key);
    this.plans.push(plan);
    return [];
  }

  readonly requestPhpTree = refuseTrees;
  readonly acceptTree = refuseTrees;

  async acceptPackage(
    key: LeaseKey,
    upload: { readonly stream: Readable; readonly sha512: string; readonly size?: number },
  ): ReturnType<Builds['acceptPackage']> {
    const job = this.#fenced(key);
    const file = await this.#repository.receiveUpload(upload.stream, upload);
    const { profile } = this.#request(job.requestId);
    const made = await this.#repository.importPackage({
      profile,
      file,
      uploadSha512: upload.sha512,
      origin: `job:${job.id}`,
      actor: `agent:${key.agent}`,
    });
    return made.package;
  }

  async acceptResult(key: LeaseKey, result: Parameters<Builds['acceptResult']>[1]): Promise<void> {
    this.#fenced(key);
    this.results.push({ key, outcome: result.outcome, reason: result.reason });
  }

  async readLog(jobId: string, options: Parameters<Builds['readLog']>[1]) {
    const job = this.#job(jobId);
    const attempt = options.attempt ?? job.attempt;
    const log = this.#logs.of(jobId, attempt);
    const bytes = log.subarray(options.offset, options.offset + options.maxBytes);
    const isEnded = attempt < job.attempt || FINAL_JOB_STATES.includes(job.state);
    const isComplete = isEnded && options.offset + bytes.length >= log.length;
    return { bytes, attempt, isComplete, size: log.length };
  }

  readonly followLog = (jobId: string, listener: () => void): (() => void) =>
    this.#logs.follow(jobId, listener);

  readonly isLogFollowed = (jobId: string): boolean => this.followerCount(jobId) > 0;

  readonly followerCount = (jobId: string): number => this.#logs.followers(jobId);

  async #tell(subject: string, data: Record<string, unknown>): Promise<void> {
    await this.#journal.record({ kind: 'changed', subject, actor: 'server', data });
  }

  #fenced(key: LeaseKey): Job {
    const job = this.#job(key.jobId);
    if (job.attempt !== key.attempt || job.agent !== key.agent || job.state !== 'leased') {
      throw new AppError(
        'stale-attempt',
        `Attempt ${key.attempt} at the job ${key.jobId} is no longer ${key.agent}'s.`,
      );
    }
    return job;
  }

  #job(id: string): ExplainedJob {
    return theOne(this.jobs, id, 'job');
  }

  #request(id: string): BuildRequest {
    return theOne(this.requests, id, 'request');
  }
}
