import type { JobRow, RequestRow } from '../database/tables.ts';
import { newestContents } from '../repository/content-store.ts';
import { messageOf } from '../support/errors.ts';
import { agentsByName, lockAgent } from './agent-store.ts';
import { insertAttempt, updateAttempt } from './attempt-store.ts';
import type { Lease, LeaseWork } from './builds.ts';
import { type BuildsContext, type Deed, transact } from './builds-context.ts';
import { type Asked, QueueView } from './choose-job.ts';
import { compileHosts } from './compile-hosts.ts';
import { packInBackground, readEndOfLog } from './end-of-log.ts';
import { type Conclusions, followUpAll } from './finish-request.ts';
import { type AttemptEnd, type JobSpec, jobSpecSchema } from './job.ts';
import { limitsFor, profileOf } from './job-limits.ts';
import { claimJob, findLeasedJob, leasedJobsByAgent, updateLeasedJob } from './job-store.ts';
import { joinTwins } from './join-jobs.ts';
import { expiredJobs } from './lease-store.ts';
import { packagesOfRequest } from './request-packages.ts';
import { findRequestRow, lockRequest } from './request-store.ts';
import { jobsToLeave, mayTake } from './retry-choice.ts';
import { keyOf, settleAttempt } from './settle-job.ts';
import { stagingOf, unstageInBackground } from './staging.ts';
import { tellJobLeased } from './tell-jobs.ts';
import { ingredientsOf } from './unchanged-jobs.ts';

/** A job that was taken for an agent, and the request that it belongs to. */
export interface Claim {
  readonly job: JobRow;
  readonly request: RequestRow;
}

/**
 * Takes the next job for the first of these agents that can do one. It is one look at one state of the queue, so
 * that nobody is passed over; and of several who try for the same job, one gets it.
 */
export async function claimForFirst(
  context: BuildsContext,
  agents: readonly string[],
): Promise<{ readonly claim: Claim; readonly place: number } | undefined> {
  // Mostly there is nothing, and that is seen without holding anybody up: who makes a job ready wakes those who wait.
  if (!(await context.looks.hasOpenLanes.look())) {
    return undefined;
  }
  return await transact(context, 'server', async (deed) => {
    const { queries, now } = deed;
    const view = await QueueView.open(queries, now);
    const rows = await agentsByName(queries, [...new Set(agents)]);
    const toLeave = await jobsToLeave(queries, now);
    const held = await leasedJobsByAgent(queries);
    for (const [place, name] of agents.entries()) {
      const row = rows.get(name);
      const agent = row && context.seen.current(row);
      if (agent === undefined || !mayTake(agent, held.get(name)?.length ?? 0, now)) {
        continue;
      }
      const asked = { agent, passedOver: toLeave.get(name) ?? [] };
      const claim = await claimNext(context, deed, { view, asked });
      if (claim !== undefined) {
        return { claim, place };
      }
    }
    return undefined;
  });
}

async function claimNext(
  context: BuildsContext,
  deed: Deed,
  { view, asked }: { readonly view: QueueView; readonly asked: Asked },
): Promise<Claim | undefined> {
  const { queries, now } = deed;
  const agent = asked.agent.name;
  for (;;) {
    const choice = await view.choose(asked);
    if (choice === undefined) {
      return undefined;
    }
    if (choice.lane.isGiant) {
      await lockAgent(queries, agent);
      await view.refreshGiants();
      if (view.hasGiant(agent)) {
        continue;
      }
    }
    const expiresAt = now + context.settings.leaseMs;
    const job = await claimJob(queries, choice.job, { agent, now, expiresAt });
    const request = job && (await findRequestRow(queries, job.request_id));
    if (job !== undefined && request !== undefined) {
      await insertAttempt(queries, keyOf(job), now);
      await tellJobLeased({ ...deed, actor: `agent:${agent}` }, job);
      await joinTwins(deed, job);
      return { job, request };
    }
    view.forget(choice.lane);
  }
}

/**
 * Prepares what the job may install, and says what is to be done. Undefined when the lease was lost meanwhile. When
 * the preparation fails, the attempt ends as `unstaged` and the fault is thrown on.
 */
export async function prepareLease(
  context: BuildsContext,
  { job, request }: Claim,
): Promise<Lease | undefined> {
  const key = keyOf(job);
  const staging = stagingOf(job);
  try {
    await context.repository.stage(
      staging,
      request.profile,
      await installable(context, { job, request }),
    );
  } catch (error) {
    context.log.error({ jobId: job.id, error: messageOf(error) }, 'staging failed');
    await endAttempt(context, job, { kind: 'unstaged' });
    throw error;
  }
  const expiresAt = await transact(context, 'server', async ({ queries, now }) => {
    const until = now + context.settings.leaseMs;
    return (await updateLeasedJob(queries, key, { lease_expires_at: until })) ? until : undefined;
  });
  if (expiresAt === undefined) {
    unstageInBackground(context, job);
    return undefined;
  }
  const limits = await limitsFor(context, job, request);
  await updateAttempt(context.database, key, { limits_json: JSON.stringify(limits) });
  // An older agent would not understand what is new in schedules, which are none of its business.
  const { schedules: _schedules, ...profile } = profileOf(request);
  const hosts = await compileHosts(context, job.agent, profile);
  return {
    jobId: job.id,
    requestId: request.id,
    attempt: job.attempt,
    expiresAt,
    profile,
    staging,
    ...(hosts !== undefined && { compileHosts: hosts }),
    limits,
    work: workOf(jobSpecSchema.parse(JSON.parse(job.spec_json))),
  };
}

function workOf(spec: JobSpec): LeaseWork {
  if (spec.kind !== 'plan') {
    return spec;
  }
  const { kind, rebuild, resolve, sync } = spec;
  const anew = spec.again.map(({ atom }) => atom);
  return { kind, atoms: [...new Set([...spec.atoms, ...anew])], rebuild, resolve, sync, anew };
}

/** For a package, what its request has, and the newest builds of what it is built with besides. */
async function installable(
  context: BuildsContext,
  { job, request: { profile } }: Claim,
): Promise<string[]> {
  if (job.kind === 'plan') {
    const newest = await context.repository.newestPackages(profile);
    return newest.map(({ id }) => id);
  }
  const request = await packagesOfRequest(context.database, job.request_id);
  const builtWith = ingredientsOf(job)?.with.map(({ cpv }) => cpv) ?? [];
  const cpvs = new Set(request.map(({ cpv }) => cpv));
  const others = await newestContents(
    context.database,
    profile,
    builtWith.filter((cpv) => !cpvs.has(cpv)),
  );
  return [...request, ...others.values()].map(({ id }) => id);
}

/** Ends the attempt that holds this job, if it still does, and what follows from that. */
export async function endAttempt(
  context: BuildsContext,
  job: JobRow,
  end: AttemptEnd,
  isStillDue: (job: JobRow) => boolean = () => true,
): Promise<void> {
  const log = await readEndOfLog(context, { jobId: job.id, attempt: job.attempt }, false);
  const after = await transact(
    context,
    'server',
    async (deed): Promise<Conclusions | undefined> => {
      const request = await lockRequest(deed.queries, job.request_id);
      const held = await findLeasedJob(deed.queries, keyOf(job));
      if (held === undefined || !isStillDue(held)) {
        return undefined;
      }
      const { settings } = context;
      return await settleAttempt(deed, { job: held, request, settings, log }, end);
    },
  );
  if (after !== undefined) {
    unstageInBackground(context, job);
    packInBackground(context, { jobId: job.id, attempt: job.attempt });
    followUpAll(context, after);
  }
}

/** As `expireLeases`, for everybody who asks for a job: mostly there is nothing to write. */
export async function expireLeasesIfAny(context: BuildsContext): Promise<void> {
  const { clock, jumps, looks } = context;
  if (jumps.isDue() || ((await looks.firstLeaseEnd.look()) ?? Infinity) < clock.now()) {
    await expireLeases(context);
  }
}

/** Ends the attempts of agents that have not been heard from for the length of a lease. */
export async function expireLeases(context: BuildsContext): Promise<void> {
  const { now, jobs } = await transact(context, 'server', async (deed) => ({
    now: deed.now,
    jobs: await expiredJobs(deed.queries, deed.now),
  }));
  for (const job of context.jumps.isUnsettled() ? [] : jobs) {
    const { id: jobId, attempt, agent } = job;
    context.log.warn({ jobId, attempt, agent }, 'a lease expired');
    await endAttempt(
      context,
      job,
      { kind: 'vanished' },
      (held) => (held.lease_expires_at ?? 0) < now,
    );
  }
}
