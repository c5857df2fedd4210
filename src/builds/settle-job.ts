import type { JobRow, RequestRow } from '../database/tables.ts';
import { countAttempts, finishAttempt } from './attempt-store.ts';
import type { LeaseKey } from './builds.ts';
import type { Deed } from './builds-context.ts';
import type { EndOfLog } from './end-of-log.ts';
import { type AfterConclusion, concludeIfComplete } from './finish-request.ts';
import { type AttemptEnd, judgeAttempt, outcomeOf, skipReason, type Verdict } from './job.ts';
import { endLease, readyDependants, skipDependants } from './job-store.ts';
import { keepHistory } from './keep-history.ts';
import { addPackages } from './request-store.ts';
import { tellJobFinished, tellJobReady } from './tell-jobs.ts';

/**
 * Ends an attempt, with all that follows from it: the job's own state, the jobs that needed it, and the end of the
 * request when this was the last. The request's row is to be locked before (`lockRequest`).
 */
export async function settleAttempt(
  deed: Deed,
  held: {
    readonly job: JobRow;
    readonly request: RequestRow;
    readonly maxLost: number;
    readonly log: EndOfLog;
  },
  end: AttemptEnd,
): Promise<AfterConclusion> {
  const { job, request } = held;
  const key = keyOf(job);
  await finishAttempt(deed.queries, key, {
    now: deed.now,
    outcome: outcomeOf(end),
    reason: 'reason' in end ? end.reason : null,
  });
  await keepHistory(deed, held, outcomeOf(end));
  const verdict = judgeAttempt(end, {
    agent: key.agent,
    cancelledBy: request.cancelled_by,
    tries: { ...(await countAttempts(deed.queries, job.id)), maxLost: held.maxLost },
  });
  const settled = await endLease(deed.queries, key, {
    state: verdict.state,
    reason: 'reason' in verdict ? verdict.reason : null,
    finishedAt: verdict.state === 'ready' ? null : deed.now,
  });
  if (settled === undefined) {
    throw new Error(`job ${job.id} was settled by somebody else within the transaction`);
  }
  await follow(deed, { job: settled, log: held.log }, verdict);
  return verdict.state === 'ready' ? 'nothing' : await concludeIfComplete(deed, request.id);
}

/** The key of the attempt that holds a leased job. */
export function keyOf(job: JobRow): LeaseKey {
  if (job.agent === null) {
    throw new Error(`the leased job ${job.id} has no agent`);
  }
  return { jobId: job.id, attempt: job.attempt, agent: job.agent };
}

async function follow(
  deed: Deed,
  { job, log }: { readonly job: JobRow; readonly log: EndOfLog },
  verdict: Verdict,
): Promise<void> {
  const { queries, now } = deed;
  if (verdict.state === 'ready') {
    await tellJobReady(deed, [job]);
    return;
  }
  await tellJobFinished(deed, [job], log.failure);
  if (verdict.state === 'succeeded') {
    if (job.package_id !== null) {
      await addPackages(queries, job.request_id, [{ id: job.package_id, how: 'built' }]);
    }
    await tellJobReady(deed, await readyDependants(queries, job.id));
    return;
  }
  const skipped = await skipDependants(queries, job.id, { reason: skipReason(job), now });
  await tellJobFinished(deed, skipped);
}
