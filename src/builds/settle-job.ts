import type { AttemptRow, JobRow, RequestRow } from '../database/tables.ts';
import { backoffDelay } from '../support/backoff.ts';
import { fractionOf } from '../support/digests.ts';
import { agentRows } from './agent-store.ts';
import { attemptsOf, finishAttempt } from './attempt-store.ts';
import { blockBuild } from './blocked-store.ts';
import type { LeaseKey } from './builds.ts';
import type { BuildSettings, Deed } from './builds-context.ts';
import { judgeAgent } from './circuit-breaker.ts';
import type { EndOfLog } from './end-of-log.ts';
import type { Fault } from './fault.ts';
import { type Conclusions, concludeAll } from './finish-request.ts';
import {
  type AttemptEnd,
  faultOfEnd,
  judgeAttempt,
  outcomeOf,
  skipReason,
  type Tries,
  type Verdict,
} from './job.ts';
import { endLease, readyDependants, skipDependants } from './job-store.ts';
import { endFollowers, offerJobs } from './join-jobs.ts';
import { isWantedElsewhere } from './join-store.ts';
import { keepHistory } from './keep-history.ts';
import { needsOfLane } from './lane-store.ts';
import { addBuilt } from './request-packages.ts';
import { candidates } from './retry-choice.ts';
import { tellJobFinished, tellJobReady, tellPackageBlocked } from './tell-jobs.ts';

/**
 * Ends an attempt, with all that follows from it: the job's own state, the jobs that needed it, what is thought of the
 * agent, and the end of the request when this was the last. The request's row is to be locked before (`lockRequest`).
 */
export async function settleAttempt(
  deed: Deed,
  held: {
    readonly job: JobRow;
    readonly request: RequestRow;
    readonly settings: BuildSettings;
    readonly log: EndOfLog;
  },
  end: AttemptEnd,
): Promise<Conclusions> {
  const { job, request, settings } = held;
  const key = keyOf(job);
  const before = await attemptsOf(deed.queries, job.id);
  const wasHeard = before.some(
    ({ attempt, heard_at }) => attempt === key.attempt && heard_at !== null,
  );
  const fault = faultOfEnd(end, wasHeard);
  await finishAttempt(deed.queries, key, {
    now: deed.now,
    outcome: outcomeOf(end),
    reason: 'reason' in end ? end.reason : null,
    code: 'code' in end ? (end.code ?? null) : null,
    fault,
  });
  await keepHistory(deed, held, outcomeOf(end));
  const attempts = await attemptsOf(deed.queries, job.id);
  const verdict = judgeAttempt(end, fault, {
    kind: job.kind,
    agent: key.agent,
    cancelledBy: (await isWantedElsewhere(deed.queries, job.id)) ? null : request.cancelled_by,
    tries: triesOf(attempts, settings.maxAttempts),
    hasOtherAgent: await hasOtherAgent(deed, job, attempts),
  });
  const settled = await endLease(deed.queries, key, {
    state: verdict.state,
    reason: 'reason' in verdict ? verdict.reason : null,
    finishedAt: verdict.state === 'ready' ? null : deed.now,
    notBefore: notBefore(deed, verdict, { attempts, settings }),
  });
  if (settled === undefined) {
    throw new Error(`job ${job.id} was settled by somebody else within the transaction`);
  }
  const joined = await follow(deed, { job: settled, request, log: held.log }, verdict);
  await judgeAgent(deed, { key, kind: job.kind, end, fault }, settings.breaker);
  return verdict.state === 'ready' ? [] : await concludeAll(deed, [request.id, ...joined]);
}

/** The key of the attempt that holds a leased job. */
export function keyOf(job: JobRow): LeaseKey {
  if (job.agent === null) {
    throw new Error(`the leased job ${job.id} has no agent`);
  }
  return { jobId: job.id, attempt: job.attempt, agent: job.agent };
}

function triesOf(attempts: readonly AttemptRow[], maxLost: number): Tries {
  const by = (fault: Fault): AttemptRow[] => attempts.filter((attempt) => attempt.fault === fault);
  const unstaged = attempts.filter(({ outcome }) => outcome === 'unstaged');
  return {
    all: attempts.length,
    lost: by('machine').length + unstaged.length,
    maxLost,
    failures: by('package'),
  };
}

async function hasOtherAgent(
  deed: Deed,
  job: JobRow,
  attempts: readonly AttemptRow[],
): Promise<boolean> {
  const failedOn = new Set(attempts.flatMap(({ agent, fault }) => (fault === null ? [] : agent)));
  const needs = await needsOfLane(deed.queries, job.lane);
  const others = candidates(await agentRows(deed.queries), needs, deed.now);
  return others.some((agent) => !failedOn.has(agent));
}

/** The jitter comes from the job, so that what is simulated can be repeated. */
function notBefore(
  { now }: Deed,
  verdict: Verdict,
  {
    attempts,
    settings,
  }: {
    readonly attempts: readonly AttemptRow[];
    readonly settings: BuildSettings;
  },
): number | null {
  if (verdict.state !== 'ready' || !verdict.isAfterFault) {
    return null;
  }
  const faults = attempts.filter(({ fault }) => fault !== null).length;
  const seed = `${attempts[0]?.job_id} ${faults}`;
  return now + backoffDelay(settings.retry, faults - 1, () => fractionOf(seed));
}

/** Does what follows from the end of a job. Returns the other requests whose jobs have ended with it. */
async function follow(
  deed: Deed,
  {
    job,
    request,
    log,
  }: {
    readonly job: JobRow;
    readonly request: RequestRow;
    readonly log: EndOfLog;
  },
  verdict: Verdict,
): Promise<string[]> {
  const { queries, now } = deed;
  if (verdict.state === 'ready') {
    await tellJobReady(deed, [job]);
    return [];
  }
  if (verdict.state === 'failed' && verdict.isBlocked) {
    await block(deed, { job, request }, verdict.reason);
  }
  await tellJobFinished(deed, [job], log.failure);
  if (verdict.state === 'succeeded') {
    if (job.package_id !== null) {
      await addBuilt(queries, {
        request_id: job.request_id,
        package_id: job.package_id,
        isRebuild: job.because !== null,
      });
    }
    const joined = await endFollowers(deed, job);
    await offerJobs(deed, await readyDependants(queries, job.id));
    return joined;
  }
  const skipped = await skipDependants(queries, job.id, { reason: skipReason(job), now });
  await tellJobFinished(deed, skipped);
  return await endFollowers(deed, job, log.failure);
}

/** A job whose inputs are not known cannot be recognized when it comes again. */
async function block(
  deed: Deed,
  { job, request }: { readonly job: JobRow; readonly request: RequestRow },
  reason: string,
): Promise<void> {
  if (job.inputs === null) {
    return;
  }
  await blockBuild(deed.queries, {
    profile: request.profile,
    cpv: job.name,
    inputs: job.inputs,
    job_id: job.id,
    reason,
    blocked_at: deed.now,
  });
  await tellPackageBlocked(deed, job, request.profile);
}
